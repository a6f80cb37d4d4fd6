// What is on the disk, and not only on its way there.
#pragma once

#include <string>

namespace tallyman {

// The directory that a file is in; "." for a name alone.
std::string DirectoryOf(const std::string& path);

// Makes the content of a file durable. False: errno says why.
bool SyncFile(const std::string& path);
// Makes the entry of a file in its directory durable. Likewise.
bool SyncDirectoryOf(const std::string& path);

}  // namespace tallyman
