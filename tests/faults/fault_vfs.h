// A VFS that forwards everything to the system's and fails the Nth write to any file.
#pragma once

#include <cstdint>
#include <string>

namespace tallyman {

// Registered once per process under Name(). Thread-safe.
class FaultVfs {
 public:
  static std::string Register();  // returns the VFS's name
  // From now on the Nth write, truncation or sync (counted from 1) fails with `code`, and with
  // `lasting` every one after it as well, as a full disk does.
  static void Arm(int code, int64_t nth, bool lasting);
  // True when the armed fault happened.
  static bool Disarm();
  // How often files were synced to the disk so far.
  static int64_t Syncs();
};

}  // namespace tallyman
