#include "agent/container_end.h"

#include <fmt/core.h>

#include <cstring>

#include "agent/told.h"
#include "base/text.h"
#include "tallyman/v1/agent.pb.h"

namespace tallyman::agent {
namespace {

// Bound of the output quoted in a sentence.
constexpr size_t kQuotedBytesMax = 600;

std::string HowItEnded(const ReportedEnd& end) {
  if (end.out_of_memory) return "the kernel killed it because it exceeded its memory limit";
  if (end.signal != 0) {
    const char* name = ::sigabbrev_np(static_cast<int>(end.signal));
    return fmt::format("it was terminated by signal {}{}", end.signal,
                       name == nullptr ? "" : fmt::format(" (SIG{})", name));
  }
  return fmt::format("it exited with code {}", end.exit_code);
}

}  // namespace

std::string LastPrinted(const ReportedEnd& end) {
  const std::string output = CleanText(end.output, kOutputBytesMax);
  std::string_view last = output;
  // The end of the output says why; start at the beginning of a character.
  if (last.size() > kQuotedBytesMax) last.remove_prefix(last.size() - kQuotedBytesMax);
  while (!last.empty() && !IsUtf8(last)) last.remove_prefix(1);
  while (!last.empty() && last.back() == '\n') last.remove_suffix(1);
  return last.empty() ? "" : fmt::format("it printed last: {}", last);
}

std::string DescribeEnd(const ReportedEnd& end) {
  const std::string printed = LastPrinted(end);
  return HowItEnded(end) + (printed.empty() ? "" : "; " + printed);
}

void FillEnd(const ReportedEnd& from, v1::ContainerEnd& to) {
  to.set_exit_code(from.exit_code);
  to.set_signal(from.signal);
  to.set_out_of_memory(from.out_of_memory);
  const int64_t micros = from.at.time_since_epoch().count();
  to.mutable_at()->set_seconds(micros / 1'000'000);
  to.mutable_at()->set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1000));
  to.set_output(CleanText(from.output, kOutputBytesMax));
}

std::string EndToBytes(const ReportedEnd& end) {
  v1::ContainerEnd message;
  FillEnd(end, message);
  return message.SerializeAsString();
}

std::optional<ReportedEnd> EndFromBytes(std::string_view bytes) {
  v1::ContainerEnd message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  ReportedEnd end;
  end.exit_code = message.exit_code();
  end.signal = message.signal();
  end.out_of_memory = message.out_of_memory();
  end.at = Time(std::chrono::seconds(message.at().seconds()) +
                std::chrono::microseconds(message.at().nanos() / 1000));
  end.output = message.output();
  return end;
}

}  // namespace tallyman::agent
