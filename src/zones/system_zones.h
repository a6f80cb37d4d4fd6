// The time zones of the machine's tz database, read by Abseil.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/zones.h"

namespace tallyman::zones {

// Where Debian's tzdata has its files.
inline constexpr char kZoneInfo[] = "/usr/share/zoneinfo";

// A file is read when its zone is first asked for, and never again: new rules of it count from the
// next start of the program. A zone whose file was not there is looked for again each time.
class SystemZones : public Zones {
 public:
  // `directory` is an absolute path and has one file for each zone.
  explicit SystemZones(std::string directory = kZoneInfo) : directory_(std::move(directory)) {}
  // A name has A-Z a-z 0-9 _ + - / only. No other name is looked for, nor are those that mean the
  // machine's own zone or count leap seconds.
  Result<const Zone*> Find(std::string_view name) const override;

 private:
  const std::string directory_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::unique_ptr<const Zone>, std::less<>> found_;
};

}  // namespace tallyman::zones
