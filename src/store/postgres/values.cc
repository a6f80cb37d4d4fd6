#include "store/postgres/values.h"

#include <fmt/core.h>

#include <array>
#include <bit>
#include <utility>

namespace tallyman::store::postgres {
namespace {

template <class Integer>
std::array<char, sizeof(Integer)> BigEndian(Integer value) {
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  return std::bit_cast<std::array<char, sizeof(Integer)>>(value);
}

template <class Integer>
void AppendBigEndian(std::string& out, Integer value) {
  const auto bytes = BigEndian(value);
  out.append(bytes.data(), bytes.size());
}

bool ReadBigEndian(std::string_view bytes, int64_t& value) {
  if (bytes.size() != sizeof value) return false;
  uint64_t bits = 0;
  for (char byte : bytes) bits = bits << 8 | static_cast<unsigned char>(byte);
  value = static_cast<int64_t>(bits);
  return true;
}

}  // namespace

Oid ArrayOf(PgType element) {
  switch (element) {
    case PgType::kBool:
      return 1000;
    case PgType::kBytea:
      return 1001;
    case PgType::kInt8:
      return 1016;
    case PgType::kUuid:
      return 2951;
    case PgType::kText:
      break;
  }
  return 1009;
}

void AppendInteger(PgSink& sink, int64_t value) {
  const auto bytes = BigEndian(value);
  sink.Add(PgType::kInt8, {bytes.data(), bytes.size()});
}

void PgArray::Add(std::string_view bytes) {
  AppendBigEndian(body_, static_cast<int32_t>(bytes.size()));
  body_ += bytes;
  ++size_;
}

void PgArray::AddNull() {
  AppendBigEndian(body_, int32_t{-1});
  has_null_ = true;
  ++size_;
}

// The form of array_recv(): dimensions, whether there are nulls, the element's type, then for each
// dimension its size and lower bound, then each element, preceded by its length.
std::string PgArray::Encode() const {
  std::string out;
  out.reserve(body_.size() + 20);
  AppendBigEndian(out, int32_t{size_ == 0 ? 0 : 1});
  AppendBigEndian(out, int32_t{has_null_ ? 1 : 0});
  AppendBigEndian(out, static_cast<uint32_t>(element_));
  if (size_ == 0) return out;
  AppendBigEndian(out, static_cast<int32_t>(size_));
  AppendBigEndian(out, int32_t{1});
  return out += body_;
}

PgArray& PgColumns::Next(PgType type) {
  if (at_ == columns_.size()) columns_.emplace_back(type);
  return columns_[at_++];
}

void PgColumns::Add(PgType type, std::string_view bytes) { Next(type).Add(bytes); }

void PgColumns::AddNull(PgType type) { Next(type).AddNull(); }

PgParams PgParams::Of(const PgColumns& rows) {
  PgParams params;
  const size_t size = rows.columns().size();
  params.types_.reserve(size);
  params.bytes_.reserve(size);
  params.lengths_.reserve(size);
  params.formats_.reserve(size);
  for (const PgArray& column : rows.columns()) params.AddArray(column);
  return params;
}

void PgParams::Append(Oid type, const std::string* bytes) {
  types_.push_back(type);
  lengths_.push_back(bytes == nullptr ? 0 : static_cast<int>(bytes->size()));
  formats_.push_back(1);
}

void PgParams::Add(PgType type, std::string_view bytes) {
  bytes_.emplace_back(std::in_place, bytes);
  Append(static_cast<Oid>(type), &*bytes_.back());
}

void PgParams::AddNull(PgType type) {
  bytes_.emplace_back();
  Append(static_cast<Oid>(type), nullptr);
}

void PgParams::AddArray(const PgArray& array) {
  bytes_.emplace_back(array.Encode());
  Append(ArrayOf(array.element()), &*bytes_.back());
}

std::vector<const char*> PgParams::Values() const {
  std::vector<const char*> values;
  values.reserve(bytes_.size());
  for (const auto& bytes : bytes_) values.push_back(bytes ? bytes->data() : nullptr);
  return values;
}

std::string_view PgRow::TakeBytes() {
  const int column = column_++;
  return {PQgetvalue(result_, row_, column),
          static_cast<size_t>(PQgetlength(result_, row_, column))};
}

Error PgRow::CorruptValue() const {
  const char* name = PQfname(result_, column_ - 1);
  return DataLoss("DATABASE_CORRUPT",
                  fmt::format("column {} ({}) of a row does not have the form in which it is "
                              "written: run `tallyman db check`, and restore a backup",
                              column_ - 1, name == nullptr ? "?" : name))
      .About("the database")
      .With("column", std::to_string(column_ - 1));
}

bool ReadValue(PgRow& row, int64_t& value) { return ReadBigEndian(row.TakeBytes(), value); }

bool ReadValue(PgRow& row, bool& value) {
  std::string_view bytes = row.TakeBytes();
  value = bytes == std::string_view("\1", 1);
  return bytes.size() == 1;
}

bool ReadValue(PgRow& row, Time& time) {
  int64_t micros = 0;
  if (!ReadBigEndian(row.TakeBytes(), micros)) return false;
  time = Time(std::chrono::microseconds(micros));
  return true;
}

}  // namespace tallyman::store::postgres
