// How containers end, what they print, and what becomes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>

#include "agent/file.h"
#include "agent/oci/testing_oci.h"

namespace tallyman::agent::oci {
namespace {

using testing::HasSubstr;

class ContainerLifeTest : public OciRuntimeTest {
 protected:
  // Runs the script until it has ended.
  ReportedEnd EndOf(const std::string& script) {
    Run(Spec(layout_->Add({.tag = "v" + std::to_string(++images_), .script = script}), kSmall));
    EXPECT_TRUE(WaitUntil([&] { return !Observed().running; }));
    const ObservedNode node = Observed();
    EXPECT_TRUE(node.end.has_value());
    return node.end.value_or(ReportedEnd());
  }
  std::vector<std::string> Lines() {
    std::vector<std::string> lines;
    LogPart part;
    do {
      auto read = runtime_->ReadLog(node_id_, part.next, 100'000);
      EXPECT_TRUE(read.has_value());
      part = read.value_or(LogPart());
      for (const NodeLogLine& line : part.lines) lines.push_back(line.text);
    } while (!part.lines.empty());
    return lines;
  }
  pid_t Monitor() const {
    auto text = ReadFile(life() / "monitor");
    return text ? static_cast<pid_t>(std::stol(*text)) : 0;
  }

  int images_ = 0;
};

TEST_F(ContainerLifeTest, AnExitCodeIsToldWithTheLastLines) {
  const ReportedEnd end = EndOf("echo first; echo wrong >&2; exit 3");
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_EQ(end.signal, 0);
  EXPECT_FALSE(end.out_of_memory);
  EXPECT_THAT(end.output, HasSubstr("first\n"));
  EXPECT_THAT(end.output, HasSubstr("wrong\n"));
  const HealthReport report = Health();
  EXPECT_EQ(report.health, NodeHealth::kNotRunning);
  EXPECT_EQ(report.end, end);
  EXPECT_THAT(report.message, HasSubstr("3"));
}

TEST_F(ContainerLifeTest, ASignalIsTold) {
  Run(Spec(layout_->Add({.tag = "v1"}), kSmall));
  ::kill(Pid(), SIGKILL);
  ASSERT_TRUE(WaitUntil([&] { return !Observed().running; }));
  const auto end = Observed().end;
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->signal, SIGKILL);
  EXPECT_EQ(end->exit_code, 128 + SIGKILL);
}

TEST_F(ContainerLifeTest, WantOfMemoryIsTold) {
  const ReportedEnd end = EndOf("echo filling; x=xxxxxxxxxxxxxxxx; while :; do x=$x$x$x$x; done");
  EXPECT_TRUE(end.out_of_memory);
  EXPECT_NE(end.exit_code, 0);
}

TEST_F(ContainerLifeTest, AnEndIsForgottenWhenTheNodeRunsAgain) {
  EndOf("test -e /data/x && exec sleep 1000; echo >/data/x; exit 5");
  ASSERT_DONE(runtime_->Start(node_id_));
  EXPECT_TRUE(Observed().running);
  EXPECT_FALSE(Observed().end.has_value());
}

TEST_F(ContainerLifeTest, WhatItPrintsIsReadLineByLineFromBothStreams) {
  Run(Spec(layout_->Add(
               {.tag = "v1", .script = "echo out; echo err >&2; printf 'no end'; exec sleep 1000"}),
           kSmall));
  ASSERT_TRUE(WaitUntil([&] { return Lines().size() == 2; }));
  auto part = runtime_->ReadLog(node_id_, {}, 10);
  ASSERT_TRUE(part.has_value());
  for (const NodeLogLine& line : part->lines) EXPECT_EQ(line.is_error, line.text == "err");
  auto tail = runtime_->FindLogTail(node_id_, 1);
  ASSERT_TRUE(tail.has_value());
  EXPECT_EQ(runtime_->ReadLog(node_id_, *tail, 10)->lines.size(), 1u);
  ASSERT_DONE(runtime_->Stop(node_id_));
  EXPECT_THAT(Lines(), testing::Contains("no end"));
}

TEST_F(ContainerLifeTest, OutputWithoutEndStaysWithinTheRing) {
  options_.log_bytes = 2 << 20;
  Open();
  // A file that it could make as large as it likes, and much more than the ring holds.
  Run(Spec(layout_->Add({.tag = "v1",
                         .script = "dd if=/dev/zero of=/dev/stdout bs=1 count=0 seek=1G; "
                                   "dd if=/dev/zero bs=1M count=64 2>/dev/null; "
                                   "i=0; while [ $i -lt 60000 ]; do echo \"line $i of many, each "
                                   "some length\"; i=$((i+1)); done; echo; echo the end; exit 4"}),
           kSmall));
  ASSERT_TRUE(WaitUntil([&] { return !Observed().running; }, std::chrono::seconds(60)));
  EXPECT_EQ(Observed().end->exit_code, 4);
  int64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(node() / "output")) {
    struct stat info{};
    ASSERT_EQ(::stat(entry.path().c_str(), &info), 0);
    bytes += info.st_blocks * 512;
  }
  EXPECT_LE(bytes, (2 << 20) + 16384);
  EXPECT_FALSE(std::filesystem::exists(node() / "log"));
  const auto lines = Lines();
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines.back(), "the end");
}

TEST_F(ContainerLifeTest, AKilledMonitorDoesNotEndTheNodeAndIsReplaced) {
  Run(Spec(layout_->Add({.tag = "v1",
                         .script = "trap 'exit 0' TERM; i=0; while :; do i=$((i+1)); echo "
                                   "\"round $i\"; sleep 0.05; done"}),
           kSmall));
  ASSERT_TRUE(WaitUntil([&] { return Lines().size() > 2; }));
  const pid_t monitor = Monitor();
  const pid_t container = Pid();
  ASSERT_EQ(::kill(monitor, SIGKILL), 0);
  ASSERT_TRUE(WaitUntil([&] { return !MarkOf(monitor).has_value(); }));
  EXPECT_TRUE(Observed().running);  // this look replaces it
  EXPECT_EQ(Pid(), container);
  EXPECT_NE(Monitor(), monitor);
  const size_t before = Lines().size();
  ASSERT_TRUE(WaitUntil([&] { return Lines().size() > before + 3; }));
  EXPECT_THAT(Lines(), testing::Contains(
                           HasSubstr("the process that records this node's output was killed")));
  ASSERT_DONE(runtime_->Stop(node_id_));
  EXPECT_FALSE(Observed().running);
  EXPECT_FALSE(Observed().end.has_value());  // seen, but not how
}

TEST_F(ContainerLifeTest, WithoutAMonitorAndAnAgentTheNodeRunsOn) {
  Run(Spec(layout_->Add({.tag = "v1",
                         .script = "trap 'exit 0' TERM; echo up >&2; while :; do echo x >/data/x; "
                                   "sleep 0.05; done"}),
           kSmall));
  const pid_t container = Pid();
  runtime_.reset();
  ::kill(Monitor(), SIGKILL);
  ASSERT_TRUE(WaitUntil([&] { return !MarkOf(Monitor()).has_value(); }));
  std::filesystem::remove(volume("data") / "x");
  EXPECT_TRUE(WaitUntil([&] { return std::filesystem::exists(volume("data") / "x"); }));
  EXPECT_TRUE(MarkOf(container).has_value());
  Open();
  EXPECT_TRUE(Observed().running);
}

TEST_F(ContainerLifeTest, ARealTimeSignalEndsANode) {
  Run(Spec(layout_->Add({.tag = "v1",
                         .script = "trap 'echo told >/data/told; exit 0' 37; echo up; while "
                                   ":; do sleep 0.05; done",
                         .stop_signal = "SIGRTMIN+3"}),
           kSmall));
  ASSERT_TRUE(WaitUntil([&] { return !Lines().empty(); }));
  ASSERT_DONE(runtime_->Stop(node_id_));
  EXPECT_EQ(Observed().end->exit_code, 0);
}

TEST_F(ContainerLifeTest, ASignalThatCannotBeSentIsSaidBeforeAnythingIsDisturbed) {
  const NodeSpec spec = Spec(layout_->Add({.tag = "v1", .stop_signal = "SIGNONSENSE"}), kSmall);
  const Status prepared = Finish([&] { return runtime_->Prepare(spec); });
  ASSERT_FALSE(prepared.has_value());
  EXPECT_EQ(prepared.error().reason, "IMAGE_NOT_SUPPORTED");
  EXPECT_THAT(prepared.error().message, HasSubstr("SIGNONSENSE"));
}

TEST_F(ContainerLifeTest, AFailedHealthCommandSaysWhy) {
  auto said = [&](const std::string& command) {
    NodeSpec spec = Spec(layout_->Add({.tag = "v1"}), kSmall);
    spec.values["health_command"] = command;
    Run(spec);
    const HealthReport report = Health();
    EXPECT_EQ(report.health, NodeHealth::kUnhealthy) << command;
    return report.message;
  };
  EXPECT_THAT(said("echo not synced yet; exit 7"), HasSubstr("status 7: not synced yet"));
  EXPECT_THAT(said("sleep 100"), HasSubstr("did not end within 500 ms"));
  EXPECT_THAT(said(R"(["/bin/nothing"])"), HasSubstr("\"/bin/nothing\" is not in the image"));
  EXPECT_THAT(said(R"(["/etc"])"), HasSubstr("cannot be run"));
}

}  // namespace
}  // namespace tallyman::agent::oci
