// OCI images made on the spot from Debian's busybox-static: no network, no registry.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "agent/oci/process.h"

namespace tallyman {

struct TestImage {
  std::string tag = {};
  // What the shell of the container runs; it is process 1, so it has to handle TERM itself.
  std::string script = "trap 'exit 0' TERM; echo started; while :; do sleep 0.1; done";
  // The label tallyman.health: a command line for the image's shell.
  std::string health = {};
  std::vector<std::string> volumes = {};
  std::vector<std::string> labels = {};  // KEY=VALUE
  std::string stop_signal = {};
  std::string user = {};
};

// A directory with an OCI layout, and the URIs of the images in it.
class TestLayout {
 public:
  explicit TestLayout(std::filesystem::path directory) : directory_(std::move(directory)) {
    Must({"umoci", "init", "--layout", directory_.string()});
    std::filesystem::path root = directory_.string() + ".root";
    std::filesystem::create_directories(root / "bin");
    std::filesystem::copy_file("/bin/busybox", root / "bin" / "busybox");
    for (const char* name : {"sh", "sleep", "cat", "dd", "test", "ls", "rm", "nc", "env"})
      std::filesystem::create_symlink("busybox", root / "bin" / name);
    std::filesystem::create_directories(root / "etc");
    Must({"umoci", "new", "--image", Name("base")});
    Must({"umoci", "insert", "--rootless", "--image", Name("base"), root.string(), "/"});
  }

  std::string Add(const TestImage& image) const {
    std::vector<std::string> config = {"umoci",
                                       "config",
                                       "--image",
                                       Name("base"),
                                       "--tag",
                                       image.tag,
                                       "--config.entrypoint",
                                       "/bin/sh",
                                       "--config.cmd",
                                       "-c",
                                       "--config.cmd",
                                       image.script};
    auto also = [&](const std::string& flag, const std::string& value) {
      config.push_back(flag);
      config.push_back(value);
    };
    if (!image.health.empty()) also("--config.label", "tallyman.health=" + image.health);
    if (!image.stop_signal.empty()) also("--config.stopsignal", image.stop_signal);
    if (!image.user.empty()) also("--config.user", image.user);
    for (const std::string& label : image.labels) also("--config.label", label);
    for (const std::string& volume : image.volumes) also("--config.volume", volume);
    Must(config);
    return Uri(image.tag);
  }

  std::string Uri(const std::string& tag) const { return "oci:" + Name(tag); }

 private:
  std::string Name(const std::string& tag) const { return directory_.string() + ":" + tag; }
  static void Must(const std::vector<std::string>& arguments) {
    auto result = agent::oci::RunTool(arguments);
    ASSERT_TRUE(result.has_value()) << result.error().message;
  }

  std::filesystem::path directory_;
};

// Why this machine cannot run containers for a test; empty: it can.
inline std::string WhyNoContainers() {
  if (::geteuid() != 0) return "containers need root";
  for (const char* path : {"/bin/busybox", "/usr/bin/skopeo", "/usr/bin/umoci", "/usr/sbin/runc",
                           "/dev/loop-control"}) {
    if (!std::filesystem::exists(path)) return std::string(path) + " is missing";
  }
  return "";
}

}  // namespace tallyman
