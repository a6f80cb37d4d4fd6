// Reasons of errors that code compares and that more than one room gives: whoever gives one and
// whoever compares it name the same constant. Those of one room stand beside what gives them.
#pragma once

namespace tallyman {

inline constexpr char kCommitUnknown[] = "COMMIT_UNKNOWN";
inline constexpr char kConstraintFailed[] = "CONSTRAINT_FAILED";
inline constexpr char kDatabaseBusy[] = "DATABASE_BUSY";
inline constexpr char kDatabaseIo[] = "DATABASE_IO";
inline constexpr char kDatabaseReadOnly[] = "DATABASE_READ_ONLY";
inline constexpr char kDatabaseUnreachable[] = "DATABASE_UNREACHABLE";
inline constexpr char kNoToken[] = "NO_TOKEN";
inline constexpr char kResourceOverflow[] = "RESOURCE_OVERFLOW";
inline constexpr char kStreamTooSlow[] = "STREAM_TOO_SLOW";
inline constexpr char kUnknownMethod[] = "UNKNOWN_METHOD";
inline constexpr char kUsage[] = "USAGE";

}  // namespace tallyman
