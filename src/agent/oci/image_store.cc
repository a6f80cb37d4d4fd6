#include "agent/oci/image_store.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "agent/file.h"
#include "agent/oci/aside.h"
#include "agent/oci/tree_sum.h"

namespace tallyman::agent::oci {
namespace {

constexpr size_t kChecksAtOnce = 2;
constexpr std::string_view kWorkSuffix = ".pull";
// Records in which life of the file system the image was checked.
constexpr std::string_view kGoodFile = "good";

// Removes the leftovers of a pull, however it ends.
class Cleared {
 public:
  Cleared(Remover& remover, std::filesystem::path path)
      : remover_(remover), path_(std::move(path)) {}
  // DropAllExcept() removes what cannot be removed now.
  ~Cleared() { static_cast<void>(remover_.Remove(path_)); }
  Cleared(const Cleared&) = delete;
  Cleared& operator=(const Cleared&) = delete;

 private:
  Remover& remover_;
  std::filesystem::path path_;
};

}  // namespace

// An image for which somebody waits. `store.mutex_` guards its state, `mutex` the job and its
// result. Lock order: `mutex` first.
struct ImageStore::Pull {
  ImageId id;
  OrgId org;
  uint64_t arrival = 0;
  bool is_check = false;  // it exists and only has to be checked
  bool started = false;
  size_t waiters = 0;

  std::mutex mutex;
  std::optional<Job<void>> job;
  std::optional<Status> result;
};

class ImageStore::Waiter {
 public:
  Waiter(ImageStore& store, std::shared_ptr<Pull> pull) : store_(store), pull_(std::move(pull)) {}
  ~Waiter() {
    std::lock_guard lock(store_.mutex_);
    if (--pull_->waiters > 0) return;
    auto found = store_.pulls_.find(pull_->id);
    if (found != store_.pulls_.end() && found->second == pull_) store_.pulls_.erase(found);
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  Pull& pull() { return *pull_; }

 private:
  ImageStore& store_;
  // Outlives the lock above: dropping the last reference ends the pull's tools.
  std::shared_ptr<Pull> pull_;
};

ImageStore::ImageStore(ImageStoreOptions options) : options_(std::move(options)) {
  if (options_.open) return;
  options_.open = [directory = options_.directory]() -> Job<std::string> {
    return [](std::filesystem::path made) -> Job<std::string> {
      CO_RETURN_IF_ERROR(MakeDirectories(made));
      co_return "";
    }(directory);
  };
}

std::filesystem::path ImageStore::PathOf(const ImageId& id) const {
  std::error_code error;
  std::filesystem::path path = NewPathOf(id);
  if (options_.old_directory.empty() || std::filesystem::exists(path, error)) return path;
  std::filesystem::path old = options_.old_directory / id.ToString();
  return std::filesystem::exists(old, error) ? old : path;
}

bool ImageStore::Has(const ImageId& id) const {
  std::error_code error;
  return std::filesystem::exists(ConfigOf(id), error);
}

std::string ImageStore::DigestOf(const ImageId& id) const {
  auto record = ReadImageRecord(NewPathOf(id));
  return record ? record->digest : "";
}

Job<void> ImageStore::Fetch(ImageId id, std::string uri, OrgId org) {
  CO_RETURN_IF_ERROR(CheckImageUri(uri));
  std::error_code error;
  if (!options_.old_directory.empty() &&
      std::filesystem::exists(options_.old_directory / id.ToString() / "config.json", error))
    co_return {};
  CO_ASSIGN_OR_RETURN(std::string life, co_await options_.open());
  if (auto good = ReadFile(NewPathOf(id) / kGoodFile); good && *good == life) co_return {};
  std::shared_ptr<Pull> pull;
  {
    std::lock_guard lock(mutex_);
    std::shared_ptr<Pull>& known = pulls_[id];
    if (!known) {
      known = std::make_shared<Pull>();
      known->id = id;
      known->org = org;
      known->arrival = ++arrivals_;
      known->is_check = Has(id);
      known->job.emplace(MakeGood(id, uri, life, known->is_check));
    }
    ++known->waiters;
    pull = known;
  }
  Waiter waiter(*this, std::move(pull));
  co_await Await([&] { return GoOn(waiter.pull()); });
  std::lock_guard lock(waiter.pull().mutex);
  co_return Status(*waiter.pull().result);
}

bool ImageStore::GoOn(Pull& pull) {
  std::unique_lock lock(pull.mutex, std::try_to_lock);
  if (!lock.owns_lock()) return false;
  if (pull.result) return true;
  if (!MayStart(pull)) return false;
  auto result = pull.job->Poll();
  if (!result) return false;
  pull.result = std::move(*result);
  pull.job.reset();
  End(pull);
  return true;
}

bool ImageStore::MayStart(Pull& pull) {
  std::lock_guard lock(mutex_);
  if (pull.started) return true;
  size_t running = 0;
  std::map<OrgId, size_t> by_org;
  for (const auto& [id, other] : pulls_) {
    if (!other->started || other->is_check != pull.is_check) continue;
    ++running;
    ++by_org[other->org];
  }
  if (running >= (pull.is_check ? kChecksAtOnce : options_.pulls_at_once)) return false;
  // An org leaves one slot to others if there is more than one.
  if (!pull.is_check && options_.pulls_at_once > 1 &&
      by_org[pull.org] + 1 >= options_.pulls_at_once)
    return false;
  const auto rank = [&](const Pull& waits) { return std::tuple(by_org[waits.org], waits.arrival); };
  for (const auto& [id, other] : pulls_) {
    if (!other->started && other->is_check == pull.is_check && rank(*other) < rank(pull))
      return false;
  }
  pull.started = true;
  return true;
}

void ImageStore::End(Pull& pull) {
  std::lock_guard lock(mutex_);
  auto found = pulls_.find(pull.id);
  if (found != pulls_.end() && found->second.get() == &pull) pulls_.erase(found);
}

Job<void> ImageStore::MakeGood(ImageId id, std::string uri, std::string life, bool here) {
  const std::filesystem::path place = NewPathOf(id);
  auto record = here ? ReadImageRecord(place) : Fail(NotFound(kFileMissing, ""));
  std::string found;
  if (record) {
    std::function<Result<std::string>(const std::stop_token&)> sum =
        [&](const std::stop_token& stop) { return SumOfTree(place / "rootfs", stop); };
    auto summed = co_await RunAside(sum);
    if (!summed && summed.error().code == Code::kCanceled) co_return Fail(summed.error());
    if (summed) found = *summed;
  }
  if (!record || found != record->tree_sum) {
    CO_RETURN_IF_ERROR(remover_.Remove(place));
    CO_RETURN_IF_ERROR(co_await PullAnew(id, uri));
  }
  co_return WriteFileAtomically(place / kGoodFile, life);
}

Job<void> ImageStore::PullAnew(ImageId id, std::string uri) {
  PullRequest request{.uri = uri,
                      .work = NewPathOf(id).string() + std::string(kWorkSuffix),
                      .place = NewPathOf(id),
                      .registries = options_.registries,
                      .limits = options_.limits,
                      .stop = options_.stop};
  CO_RETURN_IF_ERROR(remover_.Remove(request.work));
  Cleared cleared(remover_, request.work);
  co_return co_await PullImage(request);
}

Status ImageStore::DropAllExcept(const std::set<ImageId>& kept) {
  std::lock_guard lock(mutex_);
  for (const auto& directory : {options_.directory, options_.old_directory}) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
      const std::string name = entry.path().filename().string();
      auto id = ImageId::Parse(std::string_view(name).substr(0, name.find('.')));
      if (!id || pulls_.contains(*id)) continue;
      if (kept.contains(*id) && name == id->ToString()) continue;
      RETURN_IF_ERROR(remover_.Remove(entry.path()));
    }
  }
  return {};
}

}  // namespace tallyman::agent::oci
