#include "agent/monitor/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/temp_dir.h"

namespace tallyman::agent::monitor {
namespace {

class OutputTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string path = (dir_.path() / "out").string();
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    ASSERT_TRUE(output_.OpenPipe(0, path));
    writer_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    ASSERT_GE(writer_, 0);
    output_.OpenRing(dir_.path().string(), 256 << 10);
  }
  void Print(const std::string& text) {
    ASSERT_EQ(::write(writer_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    output_.Read(0, 1);
  }

  TempDir dir_;
  Output output_;
  int writer_ = -1;
};

TEST_F(OutputTest, LinesAreTakenWholeHoweverTheyCome) {
  Print("one\ntw");
  EXPECT_EQ(output_.Tail(), "one\n");
  Print("o\n\nlast");
  EXPECT_EQ(output_.Tail(), "one\ntwo\n\n");
  ::close(writer_);
  output_.Read(0, 1);
  EXPECT_FALSE(output_.IsOpen());
  output_.Close();
  EXPECT_EQ(output_.Tail(), "one\ntwo\n\nlast\n");
}

TEST_F(OutputTest, TheEndOfWhatWasPrintedIsBounded) {
  for (int i = 0; i < 2000; ++i) Print("a line that has its number " + std::to_string(i) + "\n");
  EXPECT_LE(output_.Tail().size(), 2000u);
  EXPECT_TRUE(output_.Tail().starts_with("a line")) << output_.Tail();
  EXPECT_TRUE(output_.Tail().ends_with("number 1999\n"));
}

TEST_F(OutputTest, ALineWithoutEndIsCut) {
  for (int i = 0; i < 40; ++i) Print(std::string(1000, 'x'));
  EXPECT_EQ(output_.Tail().size(), 2000u);
  Print("\n");
  EXPECT_TRUE(output_.Tail().ends_with("x\n"));
}

}  // namespace
}  // namespace tallyman::agent::monitor
