// A registry of images for tests: pulls over plain HTTP, out of a directory with an OCI layout.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
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

// The kinds of trouble. Only blobs larger than configs count: the layers.
enum class RegistryTrouble {
  kNone,
  kUnauthorized,   // 401 to all
  kForbidden,      // 403 to all but /v2/
  kNotFound,       // 404 to all but /v2/
  kTooMany,        // 429 with Retry-After to all but /v2/
  kUnavailable,    // 503 to all
  kCut,            // the connection ends within a layer
  kCorrupt,        // the end of a layer is another
  kStall,          // a layer stands still
  kSlow,           // a layer comes in small pieces
  kWrongManifest,  // a manifest by digest is another
  kNotHttp,        // nonsense
};

// Listens on a free port of 127.0.0.1; a thread for each connection, which serves one request. Any
// name of an image will do, its tags and digests are those of the layout.
class TestRegistry {
 public:
  // Has this trouble for the next `times` affected requests, then none.
  void SetTrouble(RegistryTrouble trouble, int times = 1'000'000) {
    std::lock_guard lock(mutex_);
    trouble_ = trouble;
    times_ = times;
  }
  // How many requests for layers there were, and how many are being answered.
  int layers_asked() const { return layers_asked_; }
  int layers_open() const { return layers_open_; }

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

  void Serve(int connection) {
    std::string request;
    while (request.find("\r\n\r\n") == std::string::npos && Await(connection)) {
      char buffer[4096];
      const ssize_t got = ::recv(connection, buffer, sizeof buffer, 0);
      if (got <= 0) break;
      request.append(buffer, static_cast<size_t>(got));
      if (request[0] < 'A') break;  // TLS, which is tried first
    }
    if (!request.empty() && request[0] >= 'A') Answer(connection, request);
    ::close(connection);
  }

  // Whether the trouble concerns this request, which counts then.
  RegistryTrouble TroubleOf(const std::string& path, bool is_layer) {
    std::lock_guard lock(mutex_);
    using enum RegistryTrouble;
    const bool of_all =
        trouble_ == kUnauthorized || trouble_ == kUnavailable || trouble_ == kNotHttp;
    const bool of_names =
        path != "/v2/" && (trouble_ == kForbidden || trouble_ == kNotFound || trouble_ == kTooMany);
    const bool of_layers = is_layer && (trouble_ == kCut || trouble_ == kCorrupt ||
                                        trouble_ == kStall || trouble_ == kSlow);
    const bool of_manifests =
        trouble_ == kWrongManifest && path.find("/manifests/") != std::string::npos;
    if ((!of_all && !of_names && !of_layers && !of_manifests) || times_ <= 0) return kNone;
    --times_;
    return trouble_;
  }

  static std::string Head(const std::string& status, const std::string& type, size_t length,
                          const std::string& more = "") {
    return "HTTP/1.1 " + status +
           "\r\nConnection: close\r\nDocker-Distribution-API-Version: registry/2.0\r\n" + more +
           "Content-Type: " + type + "\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
  }

  static void Refuse(int connection, const std::string& status, const std::string& code,
                     const std::string& more = "") {
    const std::string body = R"({"errors":[{"code":")" + code + R"(","message":"told so"}]})";
    SendAll(connection, Head(status, "application/json", body.size(), more) + body);
  }

  // Sends a part, and goes on when the other side is gone or this ends.
  void SendBody(int connection, std::string body, RegistryTrouble trouble) {
    using enum RegistryTrouble;
    if (trouble == kCorrupt) body.replace(body.size() - 8, 8, "XXXXXXXX");
    if (trouble == kCut) body.resize(body.size() / 2);
    if (trouble == kStall) {
      SendAll(connection, body.substr(0, body.size() / 2));
      Await(connection);
      return;
    }
    const size_t piece = trouble == kSlow ? std::max<size_t>(body.size() / 20, 1) : body.size();
    for (size_t at = 0; at < body.size() && !stopping_; at += piece) {
      if (!SendAll(connection, body.substr(at, piece))) return;
      pollfd gone{connection, POLLIN, 0};
      if (trouble == kSlow && ::poll(&gone, 1, 50) > 0) return;
    }
  }

  void Answer(int connection, const std::string& request) {
    using enum RegistryTrouble;
    std::istringstream words(request);
    std::string verb, path;
    words >> verb >> path;
    std::string type = "application/octet-stream";
    std::string body;
    std::string digest = path.substr(path.rfind('/') + 1);
    bool found = path == "/v2/";
    const bool is_manifest = path.find("/manifests/") != std::string::npos;
    if (is_manifest && !digest.starts_with("sha256:")) digest = DigestOf(digest);
    if (digest.starts_with("sha256:")) {
      const auto blob = layout_ / "blobs" / "sha256" / digest.substr(7);
      found = std::filesystem::exists(blob);
      if (found) body = Contents(blob);
    }
    if (is_manifest && found) {
      type = "application/vnd.oci.image.manifest.v1+json";
      boost::system::error_code error;
      const auto manifest = boost::json::parse(body, error);
      const auto* said = error ? nullptr : manifest.find_pointer("/mediaType", error);
      if (said != nullptr && said->is_string()) type = std::string(said->as_string());
    }
    const bool is_layer = path.find("/blobs/") != std::string::npos && body.size() > 8192;
    const RegistryTrouble trouble = TroubleOf(path, is_layer);
    if (trouble == kNotHttp) {
      SendAll(connection, "nonsense\r\n");
    } else if (trouble == kUnauthorized) {
      Refuse(connection, "401 Unauthorized", "UNAUTHORIZED",
             "Www-Authenticate: Basic realm=\"test\"\r\n");
    } else if (trouble == kForbidden) {
      Refuse(connection, "403 Forbidden", "DENIED");
    } else if (trouble == kTooMany) {
      Refuse(connection, "429 Too Many Requests", "TOOMANYREQUESTS", "Retry-After: 1\r\n");
    } else if (trouble == kUnavailable) {
      Refuse(connection, "503 Service Unavailable", "UNAVAILABLE");
    } else if (!found || trouble == kNotFound) {
      Refuse(connection, "404 Not Found", is_manifest ? "MANIFEST_UNKNOWN" : "BLOB_UNKNOWN");
    } else {
      if (trouble == kWrongManifest) body += " ";
      SendAll(connection, Head("200 OK", type, body.size()));
      layers_asked_ += is_layer ? 1 : 0;
      layers_open_ += is_layer ? 1 : 0;
      if (verb != "HEAD") SendBody(connection, body, trouble);
      layers_open_ -= is_layer ? 1 : 0;
    }
  }

  std::filesystem::path layout_;
  LoopbackListener listener_;
  std::mutex mutex_;
  RegistryTrouble trouble_ = RegistryTrouble::kNone;
  int times_ = 0;
  std::atomic<int> layers_asked_{0};
  std::atomic<int> layers_open_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
  std::vector<std::thread> connections_;
};

}  // namespace tallyman
