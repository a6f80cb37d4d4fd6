// What a node must not do on the network that it shares with its host.
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "isolation/tricks.h"

namespace probe {
namespace {

int Socket(int family, int type, int protocol) {
  return ErrorOf(::socket(family, type | SOCK_CLOEXEC, protocol));
}

int PacketSocket() { return Socket(AF_PACKET, SOCK_RAW, 0x0300); }
int RawSocket() { return Socket(AF_INET, SOCK_RAW, IPPROTO_ICMP); }
int RawSocket6() { return Socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6); }
int VsockSocket() { return Socket(AF_VSOCK, SOCK_STREAM, 0); }
int AlgSocket() { return Socket(AF_ALG, SOCK_SEQPACKET, 0); }
int KeySocket() { return Socket(AF_KEY, SOCK_RAW, 2); }
int AuditSocket() { return Socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT); }
int UeventSocket() { return Socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT); }
int NetfilterSocket() { return Socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER); }
int MarkPackets() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int mark = 1;
  return ErrorOf(::setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark));
}
int TransparentProxy() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  return ErrorOf(::setsockopt(fd, SOL_IP, IP_TRANSPARENT, &on, sizeof on));
}
// Takes an interface away that is not there.
int RemoveInterface() {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  struct {
    nlmsghdr header{};
    ifinfomsg link{};
  } request;
  request.header = {sizeof request, RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0};
  request.link.ifi_index = 0x7ffffff0;
  if (::send(fd, &request, sizeof request, 0) < 0) return errno;
  struct {
    nlmsghdr header{};
    nlmsgerr error{};
    char rest[256] = {};
  } answer;
  if (::recv(fd, &answer, sizeof answer, 0) < 0) return errno;
  return -answer.error.error;
}

}  // namespace

std::vector<Trick> NetworkTricks() {
  return {{"packet-socket", PacketSocket},
          {"raw-socket", RawSocket},
          {"raw-socket-6", RawSocket6},
          {"vsock-socket", VsockSocket},
          {"alg-socket", AlgSocket},
          {"key-socket", KeySocket},
          {"audit-socket", AuditSocket},
          {"uevent-socket", UeventSocket},
          {"netfilter-socket", NetfilterSocket},
          {"mark-packets", MarkPackets},
          {"transparent-proxy", TransparentProxy},
          {"remove-interface", RemoveInterface}};
}

}  // namespace probe
