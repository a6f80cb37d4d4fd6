// Texts in the form for execve(), and the variables of every environment.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

namespace tallyman {

// Pointers into `texts`, which has to live as long as they are used, and a null pointer.
inline std::vector<char*> ExecArguments(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  // execve() takes them without const, for C's sake, and changes nothing.
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// A program under test gets ThreadSanitizer's options in any environment.
inline void HandOnTsanOptions(std::vector<std::string>& environment) {
  if (const char* options = std::getenv("TSAN_OPTIONS"))
    environment.push_back(std::string("TSAN_OPTIONS=") + options);
}

}  // namespace tallyman
