// The other end of a connection, for tests that send what no library would: bytes in, bytes out.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace tallyman {

struct PeerAnswer {
  int status = 0;                              // 0: the connection ended without an answer
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // chunks put together
  bool whole = false;
};

class HttpPeer {
 public:
  // `from`: an address of 127.0.0.0/8 to come from; "": any.
  explicit HttpPeer(uint16_t port, const std::string& from = "");
  ~HttpPeer();
  HttpPeer(const HttpPeer&) = delete;
  HttpPeer& operator=(const HttpPeer&) = delete;

  bool connected() const { return socket_ >= 0; }
  // False when the peer has closed.
  bool Send(std::string_view bytes);
  // No more will be sent; the answer can still be read.
  void HalfClose();
  // All that comes until the other side closes.
  std::string ReceiveAll();
  // Reads one answer, for at most ten seconds.
  PeerAnswer Receive();
  // The first line of what comes next, "HTTP/1.1 100 Continue" say; it is still there afterwards.
  std::string ReceiveStatusLine();
  // Only the head of an answer.
  PeerAnswer ReceiveHead();
  // The next chunk of a body whose head was received; "" at its end, or when the connection ended.
  std::string ReceiveChunk();
  // Whether the other side closes within this time.
  bool ClosedWithin(std::chrono::milliseconds time);

 private:
  bool Fill(std::chrono::milliseconds at_most);

  int socket_ = -1;
  std::string buffer_;
  bool ended_ = false;  // the last chunk was seen
};

// "POST /tallyman.v1.METHOD" with this body as a whole request.
std::string PostOf(const std::string& method, const std::string& token, const std::string& body,
                   const std::string& content_type = "application/json",
                   const std::string& more_headers = "");

}  // namespace tallyman
