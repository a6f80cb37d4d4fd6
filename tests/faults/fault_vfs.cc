#include "faults/fault_vfs.h"

#include <sqlite3.h>

#include <atomic>
#include <cstring>

namespace tallyman {
namespace {

std::atomic<int> armed_code{0};
std::atomic<int64_t> armed_nth{0};
std::atomic<bool> armed_lasting{false};
std::atomic<int64_t> writes{0};
std::atomic<int64_t> syncs{0};

int Fault() {
  int code = armed_code;
  if (code == 0) return SQLITE_OK;
  int64_t count = ++writes;
  bool fails = count == armed_nth || (armed_lasting && count > armed_nth);
  return fails ? code : SQLITE_OK;
}

// The system's file stands right behind this one in memory, as SQLite allots it.
struct FaultFile {
  sqlite3_file base;
  sqlite3_file* real;
};

sqlite3_file* Real(sqlite3_file* file) { return reinterpret_cast<FaultFile*>(file)->real; }

sqlite3_vfs* System() {
  static sqlite3_vfs* system = sqlite3_vfs_find(nullptr);
  return system;
}

int Close(sqlite3_file* f) { return Real(f)->pMethods->xClose(Real(f)); }
int Read(sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
  return Real(f)->pMethods->xRead(Real(f), to, n, at);
}
int Write(sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
  if (int code = Fault()) return code;
  return Real(f)->pMethods->xWrite(Real(f), from, n, at);
}
int Truncate(sqlite3_file* f, sqlite3_int64 size) {
  if (int code = Fault()) return code;
  return Real(f)->pMethods->xTruncate(Real(f), size);
}
int Sync(sqlite3_file* f, int flags) {
  // A sync cannot find the disk full, but it can fail.
  if (int code = Fault()) return code == SQLITE_FULL ? SQLITE_IOERR_FSYNC : code;
  ++syncs;
  return Real(f)->pMethods->xSync(Real(f), flags);
}
int FileSize(sqlite3_file* f, sqlite3_int64* size) {
  return Real(f)->pMethods->xFileSize(Real(f), size);
}
int Lock(sqlite3_file* f, int level) { return Real(f)->pMethods->xLock(Real(f), level); }
int Unlock(sqlite3_file* f, int level) { return Real(f)->pMethods->xUnlock(Real(f), level); }
int CheckReservedLock(sqlite3_file* f, int* out) {
  return Real(f)->pMethods->xCheckReservedLock(Real(f), out);
}
int FileControl(sqlite3_file* f, int op, void* arg) {
  return Real(f)->pMethods->xFileControl(Real(f), op, arg);
}
int SectorSize(sqlite3_file* f) { return Real(f)->pMethods->xSectorSize(Real(f)); }
int Characteristics(sqlite3_file* f) { return Real(f)->pMethods->xDeviceCharacteristics(Real(f)); }
int ShmMap(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return Real(f)->pMethods->xShmMap(Real(f), page, size, extend, out);
}
int ShmLock(sqlite3_file* f, int offset, int n, int flags) {
  return Real(f)->pMethods->xShmLock(Real(f), offset, n, flags);
}
void ShmBarrier(sqlite3_file* f) { Real(f)->pMethods->xShmBarrier(Real(f)); }
int ShmUnmap(sqlite3_file* f, int remove) { return Real(f)->pMethods->xShmUnmap(Real(f), remove); }

const sqlite3_io_methods kMethods = {2,
                                     Close,
                                     Read,
                                     Write,
                                     Truncate,
                                     Sync,
                                     FileSize,
                                     Lock,
                                     Unlock,
                                     CheckReservedLock,
                                     FileControl,
                                     SectorSize,
                                     Characteristics,
                                     ShmMap,
                                     ShmLock,
                                     ShmBarrier,
                                     ShmUnmap,
                                     nullptr,
                                     nullptr};

int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  auto* fault = reinterpret_cast<FaultFile*>(file);
  fault->base.pMethods = nullptr;
  fault->real = reinterpret_cast<sqlite3_file*>(fault + 1);
  int code = System()->xOpen(System(), name, fault->real, flags, out_flags);
  if (code == SQLITE_OK) fault->base.pMethods = &kMethods;
  return code;
}

}  // namespace

std::string FaultVfs::Register() {
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs copy = *System();  // all but opening is the system's own
    copy.pNext = nullptr;
    copy.zName = "fault";
    copy.szOsFile = static_cast<int>(sizeof(FaultFile)) + System()->szOsFile;
    copy.xOpen = Open;
    return copy;
  }();
  sqlite3_vfs_register(&vfs, 0);
  return vfs.zName;
}

void FaultVfs::Arm(int code, int64_t nth, bool lasting) {
  armed_nth = nth;
  armed_lasting = lasting;
  writes = 0;
  armed_code = code;
}

bool FaultVfs::Disarm() {
  armed_code = 0;
  return writes >= armed_nth;
}

int64_t FaultVfs::Syncs() { return syncs; }

}  // namespace tallyman
