#include "base/base64.h"

#include <openssl/evp.h>

namespace tallyman {

std::string ToBase64(std::string_view bytes) {
  // OpenSSL takes the length as an int: encode whole groups of three, so that only the last is
  // padded.
  constexpr size_t kPiece = size_t{3} << 20;
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4 + 1);
  for (size_t at = 0; at < bytes.size(); at += kPiece) {
    std::string_view piece = bytes.substr(at, kPiece);
    size_t begin = text.size();
    text.resize(begin + (piece.size() + 2) / 3 * 4 + 1);
    int written = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data() + begin),
                                  reinterpret_cast<const unsigned char*>(piece.data()),
                                  static_cast<int>(piece.size()));
    text.resize(begin + static_cast<size_t>(written));
  }
  while (text.ends_with('=')) text.pop_back();
  return text;
}

std::optional<std::string> FromBase64(std::string_view text) {
  if (text.size() % 4 == 0) {
    for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  }
  // OpenSSL would skip blanks at either end.
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.find_first_not_of(kAlphabet) != std::string_view::npos || text.size() % 4 == 1 ||
      text.size() > (size_t{1} << 30)) {
    return std::nullopt;
  }
  std::string padded(text);
  size_t padding = (4 - text.size() % 4) % 4;
  padded.append(padding, '=');
  std::string bytes(padded.size() / 4 * 3, '\0');
  int written = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                reinterpret_cast<const unsigned char*>(padded.data()),
                                static_cast<int>(padded.size()));
  if (written < 0) return std::nullopt;
  bytes.resize(static_cast<size_t>(written) - padding);
  return bytes;
}

}  // namespace tallyman
