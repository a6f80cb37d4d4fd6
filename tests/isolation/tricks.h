// Things that a program tries inside a node; docs/isolation.md has one line for each.
//
// Each runs in a separate process, which may be killed for it.
#pragma once

#include <string>
#include <vector>

namespace probe {

// The result of a trick that was not refused but yielded nothing.
inline constexpr int kNothing = 200;

struct Trick {
  const char* name;
  // 0: it was done. Otherwise the error number that stood in the way, or kNothing.
  int (*attempt)();
};

// What the test tells of the host: "HOST_FILE" is the path of a file there, "HOST_PID" a process.
std::string Told(const char* name);
long ToldNumber(const char* name);

// errno when a call failed, 0 when it did not.
int ErrorOf(long result);
// Whether the file can be opened so; nothing is written into it.
int Open(const char* path, int flags);
// 0 when a byte can be read from it.
int ReadSomething(const char* path);

std::vector<Trick> KernelTricks();
std::vector<Trick> FileTricks();
std::vector<Trick> NetworkTricks();
std::vector<Trick> ProcessTricks();
// What a node must be able to do.
std::vector<Trick> Needs();

}  // namespace probe
