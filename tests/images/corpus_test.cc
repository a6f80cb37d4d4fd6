// Every image of the table through the real runtime: pulled from a registry on loopback, installed,
// run, and seen to do what the table says. Needs root and Debian's python3.
//
// A case has steps, versions of one node's image one after the other; a step has
//   image, behind      the tag, or what stands behind the image's name
//   values             of the node
//   prepare            false: a version comes back, as when an upgrade is undone
//   outcome            runs | refused (by Prepare) | not_started (by Start) | ends (by itself)
//   reason, says       of the error
//   proof, absent      what must be in what the image wrote, and what must not
//   proof_in, proof_at the volume's directory, and a directory in it
//   exit_code, health, heard
// TALLYMAN_IMAGES: the names of the cases to run, with commas between; else all but those that take
// long, which TALLYMAN_IMAGES_LONG=1 adds.
#include <gtest/gtest.h>

#include <atomic>
#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include "agent/file.h"
#include "agent/oci/mounts.h"
#include "agent/oci/oci_runtime.h"
#include "agent/oci/process.h"
#include "base/bytes.h"
#include "base/id_source.h"
#include "base/system.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_image.h"
#include "tests/support/test_registry.h"
#include "tests/support/wait.h"

namespace tallyman {
namespace {

using namespace tallyman::agent;
using namespace tallyman::agent::oci;

namespace json = boost::json;

constexpr int64_t kRoomBytes = 160 * kMebi;
constexpr Resources kNode{.cpu_cores = 1, .memory_bytes = 64 * kMebi, .disk_bytes = 32 * kMebi};
constexpr int kAtOnce = 4;
constexpr int kAttemptsMax = 12;

std::string TextOf(const json::object& object, std::string_view key, std::string otherwise = "") {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : otherwise;
}

std::vector<std::string> ListOf(const json::object& object, std::string_view key) {
  std::vector<std::string> list;
  if (const json::value* value = object.if_contains(key); value != nullptr && value->is_array())
    for (const json::value& one : value->as_array()) list.emplace_back(one.as_string());
  return list;
}

RegistryTrouble TroubleNamed(const std::string& name) {
  using enum RegistryTrouble;
  const std::map<std::string, RegistryTrouble> names = {{"unauthorized", kUnauthorized},
                                                        {"forbidden", kForbidden},
                                                        {"not_found", kNotFound},
                                                        {"too_many", kTooMany},
                                                        {"unavailable", kUnavailable},
                                                        {"cut", kCut},
                                                        {"corrupt", kCorrupt},
                                                        {"stall", kStall},
                                                        {"slow", kSlow},
                                                        {"wrong_manifest", kWrongManifest},
                                                        {"not_http", kNotHttp}};
  return names.at(name);
}

class Corpus : public testing::Test {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoContainers(); !why.empty()) GTEST_SKIP() << why;
    std::vector<std::string> make = {"/usr/bin/python3",
                                     "-B",
                                     TALLYMAN_IMAGES_GENERATOR,
                                     dir_.path().string(),
                                     std::to_string(kRoomBytes / 2),
                                     std::to_string(kRoomBytes / kBytesPerEntry)};
    auto made = RunTool(make, {.timeout = std::chrono::minutes(5)});
    ASSERT_TRUE(made.has_value()) << made.error().message;
    auto text = ReadFile(dir_.path() / "cases.json", 16 << 20);
    ASSERT_TRUE(text.has_value());
    cases_ = json::parse(*text).as_array();
    registry_.emplace(dir_.path() / "layout");
    OciRuntimeOptions options{.data_directory = data(),
                              .run_directory = dir_.path() / "run",
                              .health_timeout = std::chrono::seconds(5),
                              .pull_stall_timeout = std::chrono::seconds(2),
                              .monitor_program = TALLYMAN_MONITOR,
                              .registries = {.all_plain_http = true},
                              .image_room_bytes = kRoomBytes};
    auto opened = OciRuntime::Open(std::move(options));
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    runtime_ = std::move(*opened);
  }

  void TearDown() override {
    if (!runtime_) return;
    runtime_.reset();
    EXPECT_TRUE(WaitUntil([&] { return Unmount(data() / "image-store").has_value(); }));
    EXPECT_FALSE(std::filesystem::exists("/tmp/tallyman-escape"));
  }

  std::filesystem::path data() const { return dir_.path() / "data"; }

  template <class Call>
  Status Finish(Call call) {
    std::optional<Result<Progress>> last;
    const bool ended = WaitUntil(
        [&] {
          last = call();
          if (*last && !(*last)->done) std::this_thread::sleep_for(std::chrono::milliseconds(2));
          return !*last || (*last)->done;
        },
        std::chrono::seconds(120));
    if (!ended) return Fail(Internal("TEST", "it does not end"));
    if (!*last) return Fail(last->error());
    return {};
  }

  TempDir dir_;
  json::array cases_;
  std::optional<TestRegistry> registry_;
  std::unique_ptr<OciRuntime> runtime_;
  SystemClock clock_;
  std::mutex mutex_;  // guards what follows
  SeededRandom random_{SystemSeed()};
  IdSource ids_{clock_, random_};
  std::set<ImageId> in_use_;
};

// One node through the steps of a case.
class CaseRun {
 public:
  CaseRun(OciRuntime& runtime, std::filesystem::path data, const TestRegistry& registry,
          NodeSpec spec, std::function<NodeSpec(NodeSpec, const std::string&)> next,
          std::function<Status(std::function<Result<Progress>()>)> finish)
      : runtime_(runtime),
        directory_(data / "nodes" / spec.node_id.ToString()),
        registry_(registry),
        spec_(std::move(spec)),
        next_(std::move(next)),
        finish_(std::move(finish)) {}

  // Empty: all is as it must be.
  std::string Run(const json::array& steps) {
    std::string wrong;
    for (const json::value& step : steps) {
      wrong = Step(step.as_object());
      if (!wrong.empty()) break;
    }
    Status removed = finish_([&] { return runtime_.Remove(spec_.node_id); });
    if (wrong.empty() && !removed) wrong = "remove: " + removed.error().message;
    return wrong;
  }

 private:
  std::string Step(const json::object& step) {
    const std::string image = TextOf(step, "image");
    spec_ = next_(std::move(spec_), image);
    spec_.image = image;
    spec_.image_uri = registry_.Uri(TextOf(step, "behind", ":" + image));
    spec_.values.clear();
    if (const json::value* values = step.if_contains("values"))
      for (const auto& value : values->as_object())
        spec_.values.emplace(value.key(), value.value().as_string());
    const std::string outcome = TextOf(step, "outcome");
    const json::value* prepare = step.if_contains("prepare");
    if (prepare == nullptr || prepare->as_bool()) {
      // On a busy machine any registry may stand still for too long, which passes.
      Status prepared =
          Prepare(outcome != "refused" || TextOf(step, "reason") != "IMAGE_NOT_PULLED");
      if (outcome == "refused") return IsRefused(step, prepared);
      if (!prepared) return "prepare: " + prepared.error().reason + ": " + prepared.error().message;
    } else if (Status stopped = finish_([&] { return runtime_.Stop(spec_.node_id); }); !stopped) {
      return "stop: " + stopped.error().message;
    }
    Status started = Begin();
    if (outcome == "not_started") return IsRefused(step, started);
    if (!started) return "start: " + started.error().reason + ": " + started.error().message;
    if (outcome == "ends") return Ends(step);
    return Runs(step);
  }

  Status Prepare(bool try_again) {
    Status prepared;
    for (int i = 0; i < kAttemptsMax; ++i) {
      prepared = finish_([&] { return runtime_.Prepare(spec_); });
      const bool passing = !prepared && (prepared.error().code == Code::kUnavailable ||
                                         prepared.error().code == Code::kResourceExhausted);
      if (!passing || !try_again) return prepared;
    }
    return prepared;
  }

  Status Begin() {
    RETURN_IF_ERROR(finish_([&] { return runtime_.Stop(spec_.node_id); }));
    RETURN_IF_ERROR(finish_([&] { return runtime_.Install(spec_); }));
    return finish_([&] { return runtime_.Start(spec_.node_id); });
  }

  static std::string IsRefused(const json::object& step, const Status& status) {
    if (status) return "it is not refused";
    const Error& error = status.error();
    const std::string what = error.reason + ": " + error.message;
    const std::string reason = TextOf(step, "reason");
    if (!reason.empty() && error.reason != reason) return "not " + reason + " but " + what;
    if (what.find(TextOf(step, "says")) == std::string::npos)
      return "it does not say " + TextOf(step, "says") + ": " + what;
    // A final refusal is final, and in words for people.
    if (TextOf(step, "outcome") == "refused" && error.reason != "IMAGE_NOT_PULLED" &&
        (error.code == Code::kUnavailable || error.code == Code::kResourceExhausted ||
         error.code == Code::kInternal))
      return "it would be tried again, or nobody knows why: " + what;
    for (const char* raw : {"goroutine", "panic:", "level=", "runtime error"})
      if (what.find(raw) != std::string::npos) return "a raw trace: " + what;
    return "";
  }

  std::optional<ObservedNode> Observed() {
    auto nodes = runtime_.List();
    if (!nodes) return std::nullopt;
    for (ObservedNode& node : *nodes)
      if (node.node_id == spec_.node_id) return std::move(node);
    return std::nullopt;
  }

  std::string Ends(const json::object& step) {
    std::optional<ObservedNode> node;
    if (!WaitUntil([&] { return (node = Observed()) && !node->running; })) return "it does not end";
    const json::value* code = step.if_contains("exit_code");
    if (code != nullptr && node->end && node->end->exit_code != code->as_int64())
      return "it ended with " + std::to_string(node->end->exit_code);
    return "";
  }

  std::string Runs(const json::object& step) {
    if (step.contains("proof")) {
      if (std::string wrong = Proves(step); !wrong.empty()) return wrong;
    }
    auto node = Observed();
    if (!node || !node->running) return "it does not run";
    if (node->image_digest.empty()) return "its digest is not known";
    if (const json::value* owner = step.if_contains("chown")) {
      const auto& ids = owner->as_array();
      if (::chown((directory_ / "disk" / "volumes" / "data").c_str(),
                  static_cast<uid_t>(ids[0].as_int64()),
                  static_cast<gid_t>(ids[1].as_int64())) != 0)
        return "chown";
    }
    if (std::string health = TextOf(step, "health"); !health.empty()) {
      // As the agent does it: so many failures in a row as the image says.
      std::optional<HealthReport> report;
      int64_t failures = 0;
      if (!WaitUntil([&] {
            auto looked = runtime_.CheckHealth(spec_.node_id);
            if (!looked || !*looked) return false;
            report = **looked;
            return report->health != NodeHealth::kUnhealthy || ++failures >= report->retries;
          }))
        return "its health is not known";
      const std::string found = report->health == NodeHealth::kHealthy     ? "healthy"
                                : report->health == NodeHealth::kUnhealthy ? "unhealthy"
                                                                           : "not running";
      if (found != health) return "it is " + found + ": " + report->message;
    }
    if (std::string heard = TextOf(step, "heard"); !heard.empty()) {
      Status stopped = finish_([&] { return runtime_.Stop(spec_.node_id); });
      if (!stopped) return "stop: " + stopped.error().message;
      std::vector<std::string> look = {"debugfs", "-R", "cat volumes/data/heard",
                                       (directory_ / "disk.img").string()};
      auto said = RunTool(look);
      if (!said || said->find(heard) == std::string::npos) return "it did not hear its signal";
    }
    return "";
  }

  std::string Proves(const json::object& step) {
    const auto volumes = directory_ / "disk" / "volumes";
    const auto file =
        volumes / TextOf(step, "proof_in", "data") / TextOf(step, "proof_at") / "proof";
    std::error_code error;
    if (!WaitUntil([&] { return std::filesystem::exists(file, error); })) {
      auto log = ReadFile(directory_ / "log");
      return "there is no proof; its log: " + (log ? *log : "none");
    }
    auto text = ReadFile(file);
    std::filesystem::remove(file, error);
    if (!text) return text.error().message;
    for (const std::string& part : ListOf(step, "proof"))
      if (text->find(part) == std::string::npos) return "not \"" + part + "\" in: " + *text;
    for (const std::string& part : ListOf(step, "absent"))
      if (text->find(part) != std::string::npos) return "\"" + part + "\" in: " + *text;
    return "";
  }

  OciRuntime& runtime_;
  std::filesystem::path directory_;
  const TestRegistry& registry_;
  NodeSpec spec_;
  std::function<NodeSpec(NodeSpec, const std::string&)> next_;
  std::function<Status(std::function<Result<Progress>()>)> finish_;
};

TEST_F(Corpus, EveryImageDoesWhatTheTableSays) {
  ASSERT_GE(cases_.size(), 80U);
  const char* wanted = std::getenv("TALLYMAN_IMAGES");
  std::atomic<size_t> position{0};
  const auto work = [&] {
    for (size_t at = position++; at < cases_.size(); at = position++) {
      const json::object& one = cases_[at].as_object();
      const std::string name = TextOf(one, "name");
      if (wanted != nullptr &&
          ("," + std::string(wanted) + ",").find("," + name + ",") == std::string::npos)
        continue;
      if (wanted == nullptr && one.contains("long") &&
          std::getenv("TALLYMAN_IMAGES_LONG") == nullptr)
        continue;
      std::optional<TestRegistry> own;
      if (const json::value* trouble = one.if_contains("trouble")) {
        own.emplace(dir_.path() / "layout");
        own->SetTrouble(TroubleNamed(TextOf(trouble->as_object(), "kind")),
                        static_cast<int>(trouble->at("times").as_int64()));
      }
      NodeSpec spec;
      std::map<std::string, ImageId> images;
      {
        std::lock_guard lock(mutex_);
        spec.node_id = ids_.New<NodeId>();
        spec.org_id = ids_.New<OrgId>();
      }
      spec.name = name.substr(0, 60);
      spec.resources = kNode;
      const auto next = [&](NodeSpec last, const std::string& image) {
        std::lock_guard lock(mutex_);
        last.config_id = ids_.New<ConfigId>();
        if (!images.contains(image)) images.emplace(image, ids_.New<ImageId>());
        last.image_id = images.at(image);
        in_use_.insert(last.image_id);
        return last;
      };
      CaseRun run(*runtime_, data(), own ? *own : *registry_, spec, next,
                  [&](const auto& call) { return Finish(call); });
      const auto begun = std::chrono::steady_clock::now();
      const std::string wrong = run.Run(one.at("steps").as_array());
      EXPECT_EQ(wrong, "") << name << " (" << TextOf(one, "odd") << ")";
      if (std::getenv("TALLYMAN_IMAGES_TIMES") != nullptr)
        std::fprintf(stderr, "%6ld ms %s\n",
                     static_cast<long>((std::chrono::steady_clock::now() - begun) /
                                       std::chrono::milliseconds(1)),
                     name.c_str());
      std::lock_guard lock(mutex_);
      for (const auto& [image, id] : images) in_use_.erase(id);
      EXPECT_TRUE(runtime_->DropImagesExcept(in_use_).has_value());
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kAtOnce; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace tallyman
