// A database that gets its name once it is whole.
#pragma once

#include <string>
#include <string_view>

namespace tallyman::store::sqlite {

// What SQLite keeps beside a file.
constexpr std::string_view kBesideFile[] = {"-wal", "-shm", "-journal"};

// An empty file beside PATH, called PATH.partial-XXXXXX and with mode 0600, which a lock marks as
// being written. Drafts of the same path that programs left which were killed are removed.
class Draft {
 public:
  explicit Draft(const std::string& path);
  // Removes the file, unless it got its name.
  ~Draft();
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  // False: errno says why.
  bool is_made() const { return file_ >= 0; }
  const std::string& path() const { return draft_; }

  // Makes the file durable under its name. False: errno says why, EEXIST where there is a file of
  // that name.
  bool TakeName();
  // The same, in the place of what is there.
  bool ReplaceName();

 private:
  const std::string path_;
  std::string draft_;
  int file_ = -1;
};

}  // namespace tallyman::store::sqlite
