#include "agent/oci/remover.h"

#include <fmt/core.h>
#include <fts.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>

#include "agent/system_error.h"

namespace tallyman::agent::oci {
namespace {

constexpr std::string_view kMark = ".removed-";

void RemoveSlowly(std::string path, const std::stop_token& stop) {
  std::array<char*, 2> paths = {path.data(), nullptr};
  const std::unique_ptr<FTS, decltype(&fts_close)> tree(
      fts_open(paths.data(), FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV | FTS_NOSTAT, nullptr),
      fts_close);
  if (!tree) return;
  while (FTSENT* entry = fts_read(tree.get())) {
    if (stop.stop_requested()) return;
    if (entry->fts_info == FTS_D) continue;
    // The next process retries what cannot be removed.
    entry->fts_info == FTS_DP ? ::rmdir(entry->fts_accpath) : ::unlink(entry->fts_accpath);
  }
}

}  // namespace

Remover::Remover()
    : mark_(
          fmt::format("{}{}-", kMark, std::chrono::steady_clock::now().time_since_epoch().count())),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}
Remover::~Remover() = default;

Status Remover::Remove(const std::filesystem::path& path) {
  std::lock_guard lock(mutex_);
  if (path.filename().string().find(mark_) != std::string::npos) return {};
  std::filesystem::path other = fmt::format("{}{}{}", path.string(), mark_, ++count_);
  if (::rename(path.c_str(), other.c_str()) != 0) {
    if (errno == ENOENT) return {};
    return Fail(SystemError("FILE_NOT_REMOVED", path.string()));
  }
  queue_.push_back(std::move(other));
  changed_.notify_one();
  return {};
}

void Remover::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::filesystem::path path;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [&] { return !queue_.empty(); })) return;
      path = std::move(queue_.front());
      queue_.pop_front();
    }
    RemoveSlowly(path.string(), stop);
  }
}

}  // namespace tallyman::agent::oci
