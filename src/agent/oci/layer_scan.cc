#include "agent/oci/layer_scan.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/file.h"
#include "agent/oci/aside.h"
#include "agent/system_error.h"
#include "base/checked.h"

namespace tallyman::agent::oci {
namespace {

constexpr size_t kBlock = 512;
constexpr int64_t kDiskBlock = 4096;
constexpr int64_t kPaxBytesMax = 1 << 20;
constexpr size_t kChunk = 64 << 10;

// The bytes of a file, decompressed if it is gzip.
class LayerReader {
 public:
  LayerReader(FileDescriptor file, bool gzip) : file_(std::move(file)), gzip_(gzip) {
    // 16: gzip's header and no other.
    if (gzip_) open_ = inflateInit2(&stream_, 15 + 16) == Z_OK;
  }
  ~LayerReader() {
    if (open_) inflateEnd(&stream_);
  }
  LayerReader(const LayerReader&) = delete;
  LayerReader& operator=(const LayerReader&) = delete;

  // At most `size` bytes; 0 at the end, or if the file is damaged.
  Result<size_t> Read(char* into, size_t size) {
    if (!gzip_) return ReadFile(into, size);
    stream_.next_out = reinterpret_cast<Bytef*>(into);
    stream_.avail_out = static_cast<uInt>(size);
    while (stream_.avail_out == size && !ended_) {
      if (stream_.avail_in == 0) {
        ASSIGN_OR_RETURN(size_t got, ReadFile(packed_.data(), packed_.size()));
        if (got == 0) break;
        stream_.next_in = reinterpret_cast<Bytef*>(packed_.data());
        stream_.avail_in = static_cast<uInt>(got);
      }
      int result = inflate(&stream_, Z_NO_FLUSH);
      // Another member may follow.
      if (result == Z_STREAM_END) result = inflateReset(&stream_);
      ended_ = result != Z_OK && result != Z_BUF_ERROR;
    }
    return size - stream_.avail_out;
  }

 private:
  Result<size_t> ReadFile(char* into, size_t size) {
    while (true) {
      const ssize_t got = ::read(file_.get(), into, size);
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR) return Fail(SystemError("FILE_NOT_READ", "a layer of an image"));
    }
  }

  FileDescriptor file_;
  bool gzip_;
  bool open_ = false;
  bool ended_ = false;
  z_stream stream_{};
  std::array<char, kChunk> packed_{};
};

// A number of a tar header: octal digits, or binary with the first bit set.
std::optional<int64_t> NumberOf(std::string_view field) {
  if (!field.empty() && (field[0] & 0x80) != 0) {
    int64_t value = field[0] & 0x3f;
    if ((field[0] & 0x40) != 0) return std::nullopt;  // negative
    for (char c : field.substr(1)) {
      if (value > (INT64_MAX >> 8)) return std::nullopt;
      value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
  }
  int64_t value = 0;
  for (char c : field) {
    if (c == ' ' || c == '\0') continue;
    if (c < '0' || c > '7' || value > (INT64_MAX >> 3)) return std::nullopt;
    value = value << 3 | (c - '0');
  }
  return value;
}

bool HasItsChecksum(std::string_view header) {
  int64_t sum = 0;
  for (size_t i = 0; i < kBlock; ++i)
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
  return NumberOf(header.substr(148, 8)) == sum;
}

// The size that the records "LENGTH KEY=VALUE\n" before an entry give.
struct PaxSizes {
  std::optional<int64_t> stored;
  std::optional<int64_t> real;
};

PaxSizes ReadPax(std::string_view text) {
  PaxSizes sizes;
  while (!text.empty()) {
    const size_t space = text.find(' ');
    auto length =
        space == std::string_view::npos ? std::nullopt : ParseInt64(text.substr(0, space));
    if (!length || *length <= static_cast<int64_t>(space) ||
        *length > static_cast<int64_t>(text.size()))
      break;
    std::string_view record = text.substr(space + 1, static_cast<size_t>(*length) - space - 2);
    if (record.starts_with("size=")) sizes.stored = ParseInt64(record.substr(5));
    for (std::string_view key : {"GNU.sparse.realsize=", "GNU.sparse.size="})
      if (record.starts_with(key)) sizes.real = ParseInt64(record.substr(key.size()));
    text.remove_prefix(static_cast<size_t>(*length));
  }
  return sizes;
}

class Counter {
 public:
  Counter(LayerReader& reader, const LayerSize& bounds, const std::stop_token& stop)
      : reader_(reader), bounds_(bounds), stop_(stop) {}

  Result<LayerSize> Count() {
    std::string header(kBlock, '\0');
    while (size_.entries <= bounds_.entries && size_.bytes <= bounds_.bytes) {
      ASSIGN_OR_RETURN(bool whole, Fill(header));
      if (!whole || !HasItsChecksum(header)) break;
      ASSIGN_OR_RETURN(bool more, Entry(header));
      if (!more) break;
    }
    return size_;
  }

 private:
  Result<bool> Fill(std::string& into) {
    size_t have = 0;
    while (have < into.size()) {
      if (stop_.stop_requested()) return Fail(WorkStopped());
      ASSIGN_OR_RETURN(size_t got, reader_.Read(into.data() + have, into.size() - have));
      if (got == 0) return false;
      have += got;
    }
    return true;
  }

  Result<bool> Skip(int64_t bytes) {
    while (bytes > 0) {
      chunk_.resize(static_cast<size_t>(std::min<int64_t>(bytes, kChunk)));
      ASSIGN_OR_RETURN(bool whole, Fill(chunk_));
      if (!whole) return false;
      bytes -= static_cast<int64_t>(chunk_.size());
    }
    return true;
  }

  Result<bool> Entry(std::string_view header) {
    const char type = header[156];
    auto size = NumberOf(header.substr(124, 12));
    if (!size) return false;
    const bool describes_next = type == 'x' || type == 'g' || type == 'L' || type == 'K';
    if (!describes_next && pax_.stored) size = pax_.stored;
    if (*size < 0 || *size > INT64_MAX - kDiskBlock) return false;
    const int64_t padded = (*size + static_cast<int64_t>(kBlock) - 1) / 512 * 512;
    if (type == 'x' && *size <= kPaxBytesMax) {
      std::string text(static_cast<size_t>(padded), '\0');
      ASSIGN_OR_RETURN(bool whole, Fill(text));
      pax_ = ReadPax(std::string_view(text).substr(0, static_cast<size_t>(*size)));
      return whole;
    }
    if (describes_next) return Skip(padded);
    int64_t real = *size;
    if (type == 'S') {
      if (auto sparse = NumberOf(header.substr(483, 12))) real = std::max(real, *sparse);
      for (bool more = header[482] != 0; more;) {
        std::string extension(kBlock, '\0');
        ASSIGN_OR_RETURN(bool whole, Fill(extension));
        if (!whole) return false;
        more = extension[504] != 0;
      }
    }
    if (pax_.real) real = std::max(real, *pax_.real);
    pax_ = {};
    Charge(type, real);
    // For entries without content the size means nothing.
    const bool has_contents = type == '0' || type == '\0' || type == '7' || type == 'S';
    return has_contents ? Skip(padded) : true;
  }

  void Charge(char type, int64_t real) {
    ++size_.entries;
    const bool is_file = type == '0' || type == '\0' || type == '7' || type == 'S';
    const int64_t bytes = is_file ? real : type == '5' ? kDiskBlock : 0;
    const auto blocks = CheckedAdd(bytes, kDiskBlock - 1);
    const auto sum =
        blocks ? CheckedAdd(size_.bytes, *blocks / kDiskBlock * kDiskBlock) : std::nullopt;
    size_.bytes = sum.value_or(INT64_MAX);
  }

  LayerReader& reader_;
  const LayerSize& bounds_;
  const std::stop_token& stop_;
  LayerSize size_;
  PaxSizes pax_;
  std::string chunk_;
};

}  // namespace

Result<LayerForm> FormOfLayer(const std::filesystem::path& blob) {
  FileDescriptor file(::open(blob.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  std::array<char, kBlock> first{};
  const ssize_t got = file.is_open() ? ::read(file.get(), first.data(), first.size()) : -1;
  if (got < 0) return Fail(SystemError("FILE_NOT_READ", blob.string()));
  const std::string_view bytes(first.data(), static_cast<size_t>(got));
  using namespace std::string_view_literals;
  if (bytes.starts_with("\x1f\x8b"sv)) return LayerForm::kGzip;
  if (bytes.starts_with("\x28\xb5\x2f\xfd"sv)) return LayerForm::kZstd;
  const bool ends_at_once = std::ranges::all_of(bytes, [](char c) { return c == 0; });
  const bool is_tar = bytes.size() == kBlock && HasItsChecksum(bytes);
  return ends_at_once || is_tar ? LayerForm::kTar : LayerForm::kUnknown;
}

Result<LayerSize> CountLayer(const std::filesystem::path& blob, LayerForm form,
                             const LayerSize& bounds, const std::stop_token& stop) {
  FileDescriptor file(::open(blob.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.is_open()) return Fail(SystemError("FILE_NOT_READ", blob.string()));
  LayerReader reader(std::move(file), form == LayerForm::kGzip);
  return Counter(reader, bounds, stop).Count();
}

}  // namespace tallyman::agent::oci
