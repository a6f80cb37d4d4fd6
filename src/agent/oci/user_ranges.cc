#include "agent/oci/user_ranges.h"

#include <fmt/core.h>
#include <fts.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <memory>
#include <vector>

#include "agent/file.h"
#include "agent/oci/aside.h"
#include "agent/oci/bundle_image.h"
#include "agent/system_error.h"
#include "base/checked.h"
#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

namespace json = boost::json;

constexpr std::string_view kRangeFile = "user-range";

std::optional<UserRange> ReadRange(const std::filesystem::path& node) {
  auto text = ReadFile(node / kRangeFile);
  auto first = text ? ParseInt64(text->substr(0, text->find('\n'))) : std::nullopt;
  const bool is_range = first && *first >= kFirstUserRange.first &&
                        *first < kTrialUserRange.first && *first % kUserRangeIds == 0;
  return is_range ? std::optional(UserRange{static_cast<uint32_t>(*first)}) : std::nullopt;
}

Error BeyondRange(const std::string& whose, const std::string& what, int64_t id) {
  return FailedPrecondition(
             "USER_ID_BEYOND_RANGE",
             fmt::format("{}: {} {}, and in its user namespace a node has the ids 0 to {}: use an "
                         "id among them, or have the node on a host whose agent runs without "
                         "--user-namespaces",
                         whose, what, id, kUserRangeIds - 1))
      .With("id", std::to_string(id));
}

}  // namespace

std::optional<UserRange> UserRanges::Find(const NodeId& id) const {
  std::lock_guard lock(mutex_);
  return ReadRange(nodes_ / id.ToString());
}

Result<UserRange> UserRanges::Take(const NodeId& id) {
  std::lock_guard lock(mutex_);
  if (auto has = ReadRange(nodes_ / id.ToString())) return *has;
  std::set<uint32_t> taken;
  std::error_code error;
  for (const auto& node : std::filesystem::directory_iterator(nodes_, error)) {
    if (auto range = ReadRange(node.path())) taken.insert(range->first);
  }
  if (error) return Fail(SystemError("FILE_NOT_READ", nodes_.string(), error.value()));
  UserRange range = kFirstUserRange;
  while (taken.contains(range.first)) range.first += kUserRangeIds;
  if (range.first >= kTrialUserRange.first) {
    return Fail(Error(Code::kResourceExhausted, "USER_RANGES_EXHAUSTED",
                      fmt::format("{} nodes of this host have all its ranges of user ids: delete "
                                  "or move some",
                                  taken.size())));
  }
  RETURN_IF_ERROR(WriteFileAtomically(nodes_ / id.ToString() / kRangeFile,
                                      fmt::format("{}\n", range.first), 0600));
  return range;
}

Status UserRanges::Drop(const NodeId& id) {
  std::lock_guard lock(mutex_);
  return RemoveTree(nodes_ / id.ToString() / kRangeFile);
}

bool UserRanges::IsKnownToFit(const ImageId& id) const {
  std::lock_guard lock(mutex_);
  return fitting_images_.contains(id);
}

void UserRanges::KnowToFit(const ImageId& id) {
  std::lock_guard lock(mutex_);
  fitting_images_.insert(id);
}

Status CheckUserFits(std::string_view image_config, const std::string& whose) {
  boost::system::error_code error;
  const json::value parsed =
      json::parse(json::string_view(image_config.data(), image_config.size()), error);
  if (error || !parsed.is_object())
    return Fail(InvalidArgument("IMAGE_CONFIG_INVALID", "the image's config cannot be read"));
  const DataOwner owner = OwnerOf(parsed.as_object());
  if (owner.uid >= kUserRangeIds) return Fail(BeyondRange(whose, "it runs as user", owner.uid));
  if (owner.gid >= kUserRangeIds) return Fail(BeyondRange(whose, "it runs as group", owner.gid));
  const json::value* groups = parsed.find_pointer("/process/user/additionalGids", error);
  if (groups == nullptr || !groups->is_array()) return {};
  for (const json::value& group : groups->as_array()) {
    if (group.is_int64() && group.as_int64() >= kUserRangeIds)
      return Fail(BeyondRange(whose, "its user is in group", group.as_int64()));
  }
  return {};
}

Status CheckOwnersFit(const std::filesystem::path& tree, const std::string& whose,
                      const std::stop_token& stop) {
  std::error_code error;
  if (!std::filesystem::exists(tree, error)) return {};
  std::string path = tree.string();
  std::array<char*, 2> paths = {path.data(), nullptr};
  const std::unique_ptr<FTS, decltype(&fts_close)> walk(
      fts_open(paths.data(), FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, nullptr), fts_close);
  if (!walk) return Fail(SystemError("FILE_NOT_READ", tree.string()));
  while (const FTSENT* entry = fts_read(walk.get())) {
    if (stop.stop_requested()) return Fail(WorkStopped());
    // Of a directory this is its second time. What has gone meanwhile belongs to nobody.
    if (entry->fts_info == FTS_DP || entry->fts_info == FTS_NS) continue;
    const struct stat& info = *entry->fts_statp;
    const std::string name =
        Quote("/" + std::filesystem::path(entry->fts_path).lexically_relative(tree).string());
    if (info.st_uid >= kUserRangeIds)
      return Fail(BeyondRange(whose, name + " belongs to user", info.st_uid));
    if (info.st_gid >= kUserRangeIds)
      return Fail(BeyondRange(whose, name + " belongs to group", info.st_gid));
  }
  return {};
}

}  // namespace tallyman::agent::oci
