// Seals secrets with keys that the process was given: AES-256-SIV (RFC 5297).
//
// Deterministic: the same text in the same context under the same key becomes the same words. So a
// decision that runs again decides the same, and needs no random numbers. Whoever compares two
// sealed texts of one context learns that they are equal, and how long they are, and nothing else.
// Immutable, so thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tallyman {

inline constexpr size_t kSealKeyBytes = 64;

class Sealer {
 public:
  // Without a key: it seals and opens nothing.
  Sealer() = default;

  // The text of a key file: in each line a key of 128 hexadecimal digits. The first one seals, each
  // of them opens. INVALID_ARGUMENT INVALID_SECRET_KEY names the line and shows none of it.
  static Result<Sealer> Parse(std::string_view text);

  bool has_key() const { return !keys_.empty(); }

  // "v1:KEY_ID:BASE64". What was sealed in one context opens in no other. REQUIRES: neither is
  // empty. FAILED_PRECONDITION NO_SECRET_KEY.
  Result<std::string> Seal(std::string_view text, std::string_view context) const;
  // FAILED_PRECONDITION SECRET_KEY_MISSING names the key; DATA_LOSS SECRET_DAMAGED.
  Result<std::string> Open(std::string_view sealed, std::string_view context) const;

  // For each key a digest of the text that only its owner can compute, so that nobody can try texts
  // until one fits.
  std::vector<std::string> Digests(std::string_view text) const;

 private:
  struct Key {
    std::string id;  // a part of its digest
    std::string bytes;
  };
  std::vector<Key> keys_;
};

}  // namespace tallyman
