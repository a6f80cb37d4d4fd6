// The paths of a node's parts, below the data directory and below the directory of this boot.
#pragma once

#include <filesystem>

#include "model/ids.h"

namespace tallyman::agent::oci {

struct NodePlaces {
  NodePlaces(const std::filesystem::path& data, const std::filesystem::path& boot, const NodeId& id)
      : directory(data / "nodes" / id.ToString()),
        disk_file(directory / "disk.img"),
        disk(directory / "disk"),
        root(directory / "rootfs"),
        bundle(directory / "bundle"),
        config(bundle / "config.json"),
        kept_secrets(bundle / "secrets.json"),
        info(directory / "info"),
        output(directory / "output"),
        old_log(directory / "log"),
        lock(data / "locks" / id.ToString()),
        life(boot / "nodes" / id.ToString()),
        secrets(boot / "secrets" / id.ToString()),
        mapped(boot / "mapped" / id.ToString()) {}
  std::filesystem::path volumes() const { return disk / "volumes"; }
  std::filesystem::path jobs() const { return disk / "jobs"; }
  std::filesystem::path layers() const { return disk / "layers"; }
  std::filesystem::path mapped_image() const { return mapped / "image"; }
  std::filesystem::path mapped_disk() const { return mapped / "disk"; }
  std::filesystem::path mapped_root() const { return mapped / "root"; }
  std::filesystem::path mapped_sys() const { return mapped / "sys"; }
  // The config.json of a config that was replaced, as long as it may come back.
  std::filesystem::path replaced(const ConfigId& id) const {
    return bundle / "replaced" / id.ToString();
  }

  std::filesystem::path directory;
  std::filesystem::path disk_file;
  std::filesystem::path disk;
  std::filesystem::path root;
  std::filesystem::path bundle;
  std::filesystem::path config;
  std::filesystem::path kept_secrets;
  std::filesystem::path info;
  std::filesystem::path output;   // the ring of its output
  std::filesystem::path old_log;  // the log of an earlier release
  std::filesystem::path lock;
  std::filesystem::path life;     // its monitor's, of this boot
  std::filesystem::path secrets;  // what it sees of them: node_secrets.h
  std::filesystem::path mapped;   // what it sees with a user namespace: mapped_mounts.h
};

}  // namespace tallyman::agent::oci
