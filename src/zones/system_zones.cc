#include "zones/system_zones.h"

#include <absl/time/civil_time.h>
#include <absl/time/time.h>
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "base/text.h"
#include "base/time.h"

namespace tallyman::zones {
namespace {

Time FromAbseil(absl::Time time) { return FromMicros(absl::ToUnixMicros(time)); }

class AbseilZone : public Zone {
 public:
  explicit AbseilZone(absl::TimeZone zone) : zone_(zone) {}

  Time FirstAt(LocalMinute local) const override {
    const absl::CivilMinute civil =
        absl::CivilMinute(1970, 1, 1) + local.time_since_epoch().count();
    const absl::TimeZone::TimeInfo info = zone_.At(absl::CivilSecond(civil));
    // `pre` is by the offset before the jump: the first of two.
    return FromAbseil(info.kind == absl::TimeZone::TimeInfo::SKIPPED ? info.trans : info.pre);
  }

  LocalSecond LocalAt(Time time) const override {
    const absl::CivilSecond shown = zone_.At(absl::FromUnixMicros(ToMicros(time))).cs;
    return LocalSecond(std::chrono::seconds(shown - absl::CivilSecond(1970, 1, 1)));
  }

 private:
  const absl::TimeZone zone_;
};

bool MayBeZone(std::string_view name) {
  const auto fine = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '+' || c == '-' || c == '/';
  };
  return !name.empty() && name.size() <= 100 && std::ranges::all_of(name, fine) &&
         !name.starts_with('/') && name != "localtime" && name != "posixrules" &&
         !name.starts_with("right/") && !name.starts_with("posix/");
}

Error Unknown(std::string_view name, std::string_view directory) {
  return InvalidArgument(
             "UNKNOWN_ZONE",
             fmt::format("zone {} is not in {}: use a name such as Europe/Berlin or UTC; if it is "
                         "one, install the package tzdata",
                         Quote(name), directory))
      .With("field", "zone")
      .With("value", std::string(name));
}

}  // namespace

Result<const Zone*> SystemZones::Find(std::string_view name) const {
  if (!MayBeZone(name)) return Fail(Unknown(name, directory_));
  const std::scoped_lock lock(mutex_);
  if (auto known = found_.find(name); known != found_.end()) return known->second.get();
  // Abseil remembers for good what it was asked for, names of nothing too.
  const std::string file = fmt::format("{}/{}", directory_, name);
  std::error_code failed;
  absl::TimeZone zone;
  if (!std::filesystem::is_regular_file(file, failed) || !absl::LoadTimeZone(file, &zone)) {
    return Fail(Unknown(name, directory_));
  }
  return found_.emplace(name, std::make_unique<const AbseilZone>(zone)).first->second.get();
}

}  // namespace tallyman::zones
