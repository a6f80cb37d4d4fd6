// A registry of images for tests: pulls over plain HTTP, out of a directory with an OCI layout.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/loopback.h"

namespace tallyman {

// Listens on a free port of 127.0.0.1; a thread for each connection, which serves one request. Any
// name of an image will do, its tags and digests are those of the layout.
class TestRegistry {
 public:
  explicit TestRegistry(std::filesystem::path layout) : layout_(std::move(layout)) {
    thread_ = std::thread([this] { Accept(); });
  }
  ~TestRegistry() {
    stopping_ = true;
    thread_.join();
    for (std::thread& connection : connections_) connection.join();
  }
  TestRegistry(const TestRegistry&) = delete;
  TestRegistry& operator=(const TestRegistry&) = delete;

  // "docker://127.0.0.1:PORT/chain" and what stands behind: ":TAG" or "@sha256:HEX".
  std::string Uri(const std::string& behind) const {
    return "docker://127.0.0.1:" + std::to_string(listener_.port()) + "/chain" + behind;
  }
  // "sha256:HEX" of the manifest with this tag.
  std::string DigestOf(const std::string& tag) const {
    const boost::json::value index = boost::json::parse(Contents(layout_ / "index.json"));
    for (const auto& manifest : index.at("manifests").as_array()) {
      const auto& object = manifest.as_object();
      const auto* notes = object.if_contains("annotations");
      if (notes != nullptr && notes->at("org.opencontainers.image.ref.name").as_string() == tag)
        return std::string(object.at("digest").as_string());
    }
    return "";
  }

 private:
  static std::string Contents(const std::filesystem::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  bool Await(int descriptor) const {
    pollfd waiting{descriptor, POLLIN, 0};
    while (!stopping_) {
      if (::poll(&waiting, 1, 20) > 0) return true;
    }
    return false;
  }

  void Accept() {
    while (Await(listener_.socket())) {
      const int connection = listener_.Accept();
      connections_.emplace_back([this, connection] { Serve(connection); });
    }
  }

  void Serve(int connection) const {
    std::string request;
    while (request.find("\r\n\r\n") == std::string::npos && Await(connection)) {
      char buffer[4096];
      const ssize_t got = ::recv(connection, buffer, sizeof buffer, 0);
      if (got <= 0) break;
      request.append(buffer, static_cast<size_t>(got));
      if (request[0] < 'A') break;  // TLS, which is tried first
    }
    SendAll(connection, Answer(request));
    ::close(connection);
  }

  std::string Answer(const std::string& request) const {
    std::istringstream words(request);
    std::string verb, path;
    words >> verb >> path;
    std::string type = "application/octet-stream";
    std::string body;
    std::string digest = path.substr(path.rfind('/') + 1);
    bool found = path == "/v2/";
    if (path.find("/manifests/") != std::string::npos) {
      type = "application/vnd.oci.image.manifest.v1+json";
      if (!digest.starts_with("sha256:")) digest = DigestOf(digest);
    }
    if (digest.starts_with("sha256:")) {
      const auto blob = layout_ / "blobs" / "sha256" / digest.substr(7);
      found = std::filesystem::exists(blob);
      if (found) body = Contents(blob);
    }
    return std::string("HTTP/1.1 ") + (found ? "200 OK" : "404 Not Found") +
           "\r\nConnection: close\r\nDocker-Distribution-API-Version: "
           "registry/2.0\r\nContent-Type: " +
           type + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           (verb == "HEAD" ? "" : body);
  }

  std::filesystem::path layout_;
  LoopbackListener listener_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
  std::vector<std::thread> connections_;
};

}  // namespace tallyman
