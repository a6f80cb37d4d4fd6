// Pulls by the real tools, from a layout and from a registry on loopback. Needs root, as unpacking
// gives files their owners.
#include "agent/oci/image_store.h"

#include <gtest/gtest.h>

#include <fstream>
#include <optional>

#include "agent/file.h"
#include "base/id_source.h"
#include "base/system.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_image.h"
#include "tests/support/test_registry.h"
#include "tests/support/wait.h"

namespace tallyman::agent::oci {
namespace {

class ImageStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoContainers(); !why.empty()) GTEST_SKIP() << why;
    layout_.emplace(dir_.path() / "layout");
    layout_->Add({.tag = "v1"});
    registry_.emplace(dir_.path() / "layout");
    Open();
  }

  ImageStoreOptions Options() {
    return {.directory = dir_.path() / "store",
            .old_directory = dir_.path() / "images",
            .open = [this] { return Life(life_); },
            .registries = {.all_plain_http = true}};
  }
  static Job<std::string> Life(std::string life) { co_return life; }

  void Open() { Open(Options()); }
  void Open(ImageStoreOptions options) {
    std::filesystem::create_directories(options.directory);
    store_.reset();
    store_.emplace(std::move(options));
  }

  std::string Uri() const { return registry_->Uri(":v1"); }
  Job<void> Begin(const ImageId& id) { return store_->Fetch(id, Uri(), org_); }

  Status Fetch(const ImageId& id) { return Fetch(id, Uri()); }
  Status Fetch(const ImageId& id, const std::string& uri) {
    Job<void> job = store_->Fetch(id, uri, org_);
    std::optional<Status> result;
    EXPECT_TRUE(WaitUntil([&] {
      result = job.Poll();
      return result.has_value();
    }));
    return result ? *result : Fail(Internal("TEST", "it does not end"));
  }

  // The names below the store, without what is on its way out.
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path() / "store"))
      names.push_back(entry.path().filename().string());
    return names;
  }

  TempDir dir_;
  SystemClock clock_;
  SeededRandom random_{SystemSeed()};
  IdSource ids_{clock_, random_};
  ImageId id_ = ids_.New<ImageId>();
  OrgId org_ = ids_.New<OrgId>();
  std::string life_ = "1";
  std::optional<TestLayout> layout_;
  std::optional<TestRegistry> registry_;
  std::optional<ImageStore> store_;
};

TEST_F(ImageStoreTest, AnImageIsThereWholeWithItsDigestAndWhatItSays) {
  Status fetched = Fetch(id_);
  ASSERT_TRUE(fetched.has_value()) << fetched.error().message;
  EXPECT_TRUE(std::filesystem::exists(store_->RootOf(id_) / "bin" / "busybox"));
  EXPECT_EQ(store_->DigestOf(id_), registry_->DigestOf("v1"));
  auto config = ReadFile(store_->ConfigOf(id_));
  ASSERT_TRUE(config.has_value());
  EXPECT_NE(config->find(R"("args":["/bin/sh","-c")"), std::string::npos) << *config;
  ASSERT_TRUE(WaitUntil([&] { return Names() == std::vector{id_.ToString()}; }));
}

TEST_F(ImageStoreTest, ManyWaitForOnePull) {
  registry_->SetTrouble(RegistryTrouble::kSlow);
  std::vector<Job<void>> jobs;
  for (int i = 0; i < 5; ++i) jobs.push_back(Begin(id_));
  std::vector<bool> ended(jobs.size());
  ASSERT_TRUE(WaitUntil([&] {
    for (size_t i = 0; i < jobs.size(); ++i) {
      if (ended[i]) continue;
      auto result = jobs[i].Poll();
      if (!result) continue;
      EXPECT_TRUE(result->has_value()) << result->error().message;
      ended[i] = true;
    }
    return std::ranges::all_of(ended, [](bool one) { return one; });
  }));
  EXPECT_EQ(registry_->layers_asked(), 1);
}

TEST_F(ImageStoreTest, APullThatNobodyWaitsForAnyMoreIsEnded) {
  registry_->SetTrouble(RegistryTrouble::kStall);
  {
    std::vector<Job<void>> both;
    both.push_back(Begin(id_));
    both.push_back(Begin(id_));
    ASSERT_TRUE(WaitUntil([&] {
      for (Job<void>& job : both) EXPECT_FALSE(job.Poll());
      return registry_->layers_open() == 1;
    }));
    both.pop_back();
    EXPECT_FALSE(both.front().Poll());
    EXPECT_EQ(registry_->layers_open(), 1);
  }
  EXPECT_TRUE(WaitUntil([&] { return registry_->layers_open() == 0; }));
  EXPECT_TRUE(WaitUntil([&] { return Names().empty(); })) << "what it left is still there";
  registry_->SetTrouble(RegistryTrouble::kNone);
  EXPECT_TRUE(Fetch(id_).has_value());
}

TEST_F(ImageStoreTest, FewPullsAtOnceAndNoOrgTakesAll) {
  registry_->SetTrouble(RegistryTrouble::kStall);
  std::vector<Job<void>> jobs;
  for (int i = 0; i < 5; ++i) jobs.push_back(Begin(ids_.New<ImageId>()));
  const auto look = [&] {
    for (Job<void>& job : jobs) EXPECT_FALSE(job.Poll());
  };
  ASSERT_TRUE(WaitUntil([&] {
    look();
    return registry_->layers_open() == 2;
  }));
  org_ = ids_.New<OrgId>();  // comes last, and is served next
  jobs.push_back(Begin(ids_.New<ImageId>()));
  jobs.push_back(Begin(ids_.New<ImageId>()));
  ASSERT_TRUE(WaitUntil([&] {
    look();
    return registry_->layers_open() == 3;
  }));
  for (int i = 0; i < 50; ++i) look();
  EXPECT_EQ(registry_->layers_open(), 3);
}

TEST_F(ImageStoreTest, APullThatStandsStillGivesItsPlaceToOthers) {
  ImageStoreOptions options = Options();
  options.limits.stall_timeout = std::chrono::milliseconds(700);
  Open(options);
  registry_->SetTrouble(RegistryTrouble::kStall, 1);
  Status stalled = Fetch(id_);
  ASSERT_FALSE(stalled.has_value());
  EXPECT_EQ(stalled.error().code, Code::kUnavailable);
  EXPECT_NE(stalled.error().message.find("sent nothing"), std::string::npos);
  EXPECT_TRUE(Fetch(id_).has_value());
}

TEST_F(ImageStoreTest, AfterAnUncleanEndADamagedImageIsPulledAgain) {
  ASSERT_TRUE(Fetch(id_).has_value());
  const auto file = store_->RootOf(id_) / "bin" / "busybox";
  const auto size = std::filesystem::file_size(file);
  std::filesystem::resize_file(file, 0);
  Open();
  ASSERT_TRUE(Fetch(id_).has_value());
  EXPECT_EQ(registry_->layers_asked(), 1) << "in the same life nothing is read again";

  life_ = "2";
  ASSERT_TRUE(Fetch(id_).has_value());
  EXPECT_EQ(std::filesystem::file_size(file), size);
  EXPECT_EQ(registry_->layers_asked(), 2);

  life_ = "3";
  ASSERT_TRUE(Fetch(id_).has_value());
  EXPECT_EQ(registry_->layers_asked(), 2) << "what is good is not pulled again";
}

TEST_F(ImageStoreTest, WhatSaysThatAnImageIsWholeIsReadBeforeItIsBelieved) {
  ASSERT_TRUE(Fetch(id_).has_value());
  std::filesystem::remove(store_->RootOf(id_).parent_path() / "record.json");
  life_ = "2";
  ASSERT_TRUE(Fetch(id_).has_value());
  EXPECT_EQ(registry_->layers_asked(), 2);
  EXPECT_FALSE(store_->DigestOf(id_).empty());
}

TEST_F(ImageStoreTest, WhatPullsHaveLeftAndWhatNothingNeedsIsDropped) {
  ASSERT_TRUE(Fetch(id_).has_value());
  std::filesystem::create_directories(dir_.path() / "store" /
                                      (ids_.New<ImageId>().ToString() + ".pull") / "image");
  const ImageId old = ids_.New<ImageId>();
  std::filesystem::create_directories(dir_.path() / "images" / old.ToString() / "rootfs");
  std::ofstream(dir_.path() / "images" / old.ToString() / "config.json") << "{}";
  EXPECT_TRUE(store_->Has(old));
  EXPECT_TRUE(Fetch(old).has_value()) << "an earlier release pulled it";
  EXPECT_EQ(store_->DigestOf(old), "");

  ASSERT_TRUE(store_->DropAllExcept({id_, old}).has_value());
  EXPECT_TRUE(WaitUntil([&] { return Names() == std::vector{id_.ToString()}; }));
  EXPECT_TRUE(store_->Has(old));
  ASSERT_TRUE(store_->DropAllExcept({}).has_value());
  EXPECT_TRUE(WaitUntil([&] { return Names().empty(); }));
  EXPECT_FALSE(store_->Has(old));
}

TEST_F(ImageStoreTest, APullIsEndedWhenTheAgentIsToEndAndIsBegunAnew) {
  std::stop_source source;
  source.request_stop();
  ImageStoreOptions options = Options();
  options.stop = source.get_token();
  Open(options);
  Status stopped = Fetch(id_);
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, Code::kCanceled);
  Open();
  EXPECT_TRUE(Fetch(id_).has_value());
}

TEST_F(ImageStoreTest, WhatARegistryRefusesIsFinalAndWhatItCannotDoNowIsNot) {
  struct Case {
    RegistryTrouble trouble;
    Code code;
    std::string_view reason;
  };
  using enum RegistryTrouble;
  for (const Case& bad : {Case{kUnauthorized, Code::kFailedPrecondition, "REGISTRY_DENIED"},
                          Case{kForbidden, Code::kFailedPrecondition, "REGISTRY_DENIED"},
                          Case{kNotFound, Code::kNotFound, "IMAGE_NOT_FOUND"},
                          Case{kCorrupt, Code::kFailedPrecondition, "IMAGE_DAMAGED"},
                          Case{kUnavailable, Code::kUnavailable, "IMAGE_NOT_PULLED"},
                          Case{kCut, Code::kUnavailable, "IMAGE_NOT_PULLED"},
                          Case{kNotHttp, Code::kUnavailable, "IMAGE_NOT_PULLED"}}) {
    registry_->SetTrouble(bad.trouble);
    Status fetched = Fetch(id_);
    ASSERT_FALSE(fetched.has_value()) << bad.reason;
    EXPECT_EQ(fetched.error().reason, bad.reason) << fetched.error().message;
    EXPECT_EQ(fetched.error().code, bad.code) << fetched.error().message;
    EXPECT_TRUE(WaitUntil([&] { return Names().empty(); }));
  }
  registry_->SetTrouble(kUnavailable, 1);
  EXPECT_FALSE(Fetch(id_).has_value());
  EXPECT_TRUE(Fetch(id_).has_value());
}

TEST_F(ImageStoreTest, AnImageBeyondItsBoundsIsRefusedBeforeItIsUnpacked) {
  const PullLimits limits;
  for (auto change : std::vector<std::function<void(PullLimits&)>>{
           [](PullLimits& bound) { bound.layers_max = 0; },
           [](PullLimits& bound) { bound.entries_max = 5; },
           [](PullLimits& bound) { bound.unpacked_bytes_max = 100'000; }}) {
    ImageStoreOptions options = Options();
    change(options.limits);
    Open(options);
    Status fetched = Fetch(id_);
    ASSERT_FALSE(fetched.has_value());
    EXPECT_TRUE(fetched.error().reason == "IMAGE_TOO_LARGE" ||
                fetched.error().reason == "IMAGE_NOT_SUPPORTED")
        << fetched.error().message;
    EXPECT_TRUE(WaitUntil([&] { return Names().empty(); }));
  }
}

}  // namespace
}  // namespace tallyman::agent::oci
