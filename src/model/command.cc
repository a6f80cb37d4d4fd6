#include "model/command.h"

#include <fmt/format.h>

#include <iterator>

#include "base/json_text.h"

namespace tallyman {

std::string RenderPayload(const Node& node, const NodeConfig& config, const Image& image,
                          std::string_view host_name) {
  std::string out;
  out.reserve(1024);
  auto text = [&](std::string_view key, std::string_view value) {
    AppendJsonKey(out, key);
    AppendJsonString(out, value);
    out += ',';
  };
  out += '{';
  text("node_id", node.id.ToString());
  text("name", node.name);
  text("org_id", node.org_id.ToString());
  text("host_id", node.host_id.ToString());
  text("host", host_name);
  text("image_id", image.id.ToString());
  text("image", image.Reference());
  text("image_uri", image.uri);
  text("config_id", config.id.ToString());
  fmt::format_to(std::back_inserter(out),
                 R"("resources":{{"cpu_cores":{},"memory_bytes":{},"disk_bytes":{}}},"config":)",
                 config.resources.cpu_cores, config.resources.memory_bytes,
                 config.resources.disk_bytes);
  out += ConfigToJson(config);
  out += '}';
  return out;
}

}  // namespace tallyman
