#include "rpc/gzip.h"

#include <fmt/core.h>
#include <zlib.h>

#include <algorithm>
#include <stdexcept>

namespace tallyman::rpc {
namespace {

constexpr int kWindowBits = 15;
constexpr int kGzipFormat = 16;  // added to the window's bits
constexpr int kMemoryLevel = 8;
constexpr size_t kPiece = size_t{1} << 30;  // zlib counts in 32 bits

// zlib takes a pointer to non-const, but does not modify the data.
Bytef* BytesOf(std::string_view bytes) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
}

struct Inflater {
  z_stream stream{};
  Inflater() {
    if (inflateInit2(&stream, kWindowBits + kGzipFormat) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

struct Deflater {
  z_stream stream{};
  Deflater() {
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kWindowBits + kGzipFormat, kMemoryLevel,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  ~Deflater() { deflateEnd(&stream); }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;
};

std::unexpected<Error> Malformed() {
  return Fail(InvalidArgument("MALFORMED_GZIP", "the bytes are not valid, complete gzip"));
}

}  // namespace

std::string Gzip(std::string_view bytes) {
  Deflater deflater;
  z_stream& stream = deflater.stream;
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  size_t written = 0;
  int state = Z_OK;
  while (state != Z_STREAM_END) {
    size_t piece = std::min(bytes.size(), kPiece);
    size_t room = std::min(out.size() - written, kPiece);
    stream.next_in = BytesOf(bytes);
    stream.avail_in = static_cast<uInt>(piece);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + written);
    stream.avail_out = static_cast<uInt>(room);
    state = deflate(&stream, piece == bytes.size() ? Z_FINISH : Z_NO_FLUSH);
    if (state == Z_STREAM_ERROR) throw std::logic_error("deflate was misused");
    bytes.remove_prefix(piece - stream.avail_in);
    written += room - stream.avail_out;
  }
  out.resize(written);
  return out;
}

Result<std::string> Gunzip(std::string_view bytes, size_t bytes_max) {
  Inflater inflater;
  z_stream& stream = inflater.stream;
  std::string out;
  while (true) {
    size_t piece = std::min(bytes.size(), kPiece);
    size_t begin = out.size();
    size_t room = std::min(std::max(size_t{4096}, begin), bytes_max + 1 - begin);
    out.resize(begin + room);
    stream.next_in = BytesOf(bytes);
    stream.avail_in = static_cast<uInt>(piece);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + begin);
    stream.avail_out = static_cast<uInt>(room);
    int state = inflate(&stream, Z_NO_FLUSH);
    bytes.remove_prefix(piece - stream.avail_in);
    out.resize(begin + room - stream.avail_out);
    if (out.size() > bytes_max) {
      return Fail(
          Error(Code::kResourceExhausted, "MESSAGE_TOO_LARGE",
                fmt::format("it is longer than the {} bytes that are accepted when unpacked",
                            bytes_max)));
    }
    if (state == Z_STREAM_END) {
      if (!bytes.empty()) return Malformed();
      return out;
    }
    // No progress: the end is missing, or the data is not gzip.
    if (state != Z_OK || (bytes.empty() && stream.avail_out != 0)) return Malformed();
  }
}

}  // namespace tallyman::rpc
