// Text from outside: validates UTF-8, bounds lengths, and quotes for messages.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tallyman {

// Well-formed UTF-8 (Unicode 15, table 3-7): no surrogates, no overlong forms.
bool IsUtf8(std::string_view text);

// The text with U+FFFD in place of each byte that is not part of well-formed UTF-8.
std::string ValidUtf8(std::string_view text);

// At most `bytes_max` bytes of the text, never cut in the middle of a character. REQUIRES: it is
// well-formed UTF-8.
std::string_view CutUtf8(std::string_view text, size_t bytes_max);

// The text in a form that every other party accepts: well-formed UTF-8, a space in place of each
// control character except tab and newline, at most `bytes_max` bytes.
std::string CleanText(std::string_view text, size_t bytes_max);

// The text in double quotes, cut after 60 bytes, with anything that is not printable ASCII or
// well-formed UTF-8 written as \xNN: safe to print on a terminal and to put into a log line.
std::string Quote(std::string_view text);

// Names, such as keys of protocols and names of hosts: 1 to 100 of A-Z a-z 0-9 . _ - and a letter
// or digit first. INVALID_ARGUMENT, reason INVALID_NAME, names `field` and the value.
Status CheckName(std::string_view field, std::string_view text);

// Free text: well-formed UTF-8 without control characters (other than tab and newline), at most
// `bytes_max` bytes. INVALID_ARGUMENT, reason INVALID_TEXT.
Status CheckText(std::string_view field, std::string_view text, size_t bytes_max);

// The order in which people count: eth-2 before eth-10. Leading zeros do not count, so neither of
// two different texts may come first.
bool NaturallyBefore(std::string_view a, std::string_view b);

}  // namespace tallyman
