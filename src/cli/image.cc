// The words about images.
#include <fmt/core.h>

#include "base/text.h"
#include "cli/format.h"
#include "cli/import_rows.h"
#include "cli/list.h"
#include "cli/nouns.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "tallyman/v1/catalog.pb.h"

namespace tallyman::cli {
namespace {

// KEY:cpu=2,memory=8GB,disk=1TB; what is left out adds nothing.
Status ReadPropertyAdd(const std::string& name, const std::string& text, v1::ImageSpec& spec) {
  auto refuse = [&](std::string_view why) {
    return Fail(InvalidArgument("INVALID_PROPERTY",
                                fmt::format("{} is {}: {}; write KEY:cpu=N,memory=AMOUNT,"
                                            "disk=AMOUNT",
                                            name, Quote(text), why)));
  };
  const size_t colon = text.find(':');
  if (colon == std::string::npos) return refuse("there is no ':'");
  const std::string key = text.substr(0, colon);
  auto* properties = spec.mutable_properties();
  const auto property =
      std::ranges::find_if(*properties, [&](const auto& p) { return p.key() == key; });
  if (property == properties->end()) return refuse("no --property has that key");
  std::string_view rest = std::string_view(text).substr(colon + 1);
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    ASSIGN_OR_RETURN(const auto pair, ParseKeyValue(name, part));
    const auto* dimension = std::ranges::find(kDimensionViews, pair.first, &DimensionView::word);
    if (dimension == kDimensionViews.end())
      return refuse("the dimensions are cpu, memory and disk");
    ASSIGN_OR_RETURN(
        const int64_t amount,
        ParseDimension(*dimension, fmt::format("{} {} {}", name, key, pair.first), pair.second));
    (property->mutable_add()->*dimension->set)(amount);
  }
  return {};
}

bool AddProperty(v1::ImageSpec& spec, const std::string& key, const std::string& value) {
  const auto same = [&](const v1::Property& property) { return property.key() == key; };
  if (std::ranges::any_of(spec.properties(), same)) return false;
  v1::Property& property = *spec.add_properties();
  property.set_key(key);
  property.set_default_value(value);
  return true;
}

ExitStatus CreateImage(Context& context, v1::CreateImagesRequest& request) {
  request.set_create_missing(true);
  auto created = Change<v1::CreateImagesResponse>(context, request);
  if (!created) {
    DropIndex(created.error());
    return Fail(std::move(created).error());
  }
  return context.Answer(*created, [&] {
    const v1::ImageSpec& spec = request.images(0);
    const std::string reference =
        created->results().empty()
            ? fmt::format("{}/{}@{}", spec.protocol(), spec.variant(), spec.semantic_version())
            : created->results(0).reference();
    PrintOutcome(
        context, created->applied(),
        fmt::format("Published {}: at least {}.", reference, FormatResources(spec.minimum())), "");
  });
}

ExitStatus ShowImage(Context& context, v1::GetImageRequest& request) {
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::GetImageResponse>(request));
  return context.Answer(response, [&] {
    const v1::Image& image = response.image();
    PrintFields(context, {{"image", image.reference()},
                          {"id", image.id()},
                          {"uri", image.image_uri()},
                          {"build", std::to_string(image.build())},
                          {"committed", FormatTimestamp(image.committed_at())},
                          {"private to", image.org()},
                          {"minimum", FormatResources(image.minimum())}});
    Table table({{"PROPERTY", Align::kLeft, true},
                 {"DEFAULT", Align::kLeft, true},
                 {"ADDS WHEN CHANGED"},
                 {"DESCRIPTION", Align::kLeft, true}},
                true);
    for (const v1::Property& property : image.properties()) {
      table.AddRow({{property.key()},
                    {property.secret() ? "(secret)" : property.default_value()},
                    {property.has_add() ? FormatResources(property.add()) : "nothing"},
                    {property.description()}});
    }
    PrintBelow(context, table);
    PrintBelow(context, FirewallTable(image.firewall_rules()));
  });
}

void DefineImageCreate(Word image) {
  auto [create, request] = image.Verb<v1::CreateImagesRequest>(
      "create", "Publish an image; its protocol and version are created if they do not exist",
      "  tallyman image create ethereum/reth-mainnet-full@0.0.9 \\\n"
      "    --uri docker://registry.example/ethereum-reth:0.0.9 \\\n"
      "    --cpu 8 --memory 16GB --disk 1500GB \\\n"
      "    --property archive=off --property-adds archive:memory=8GB,disk=2TB",
      CreateImage);
  v1::ImageSpec& spec = *request.add_images();
  create
      .Value(
          "REF", "", [&spec](const auto&, const auto& value) { return ReadImageKey(value, spec); },
          "PROTOCOL/VARIANT@VERSION")
      .Required();
  create
      .Text("--uri", "URI", spec.mutable_image_uri(),
            "Where hosts fetch it: docker://HOST/NAME:TAG or oci:/DIRECTORY:TAG")
      .Required();
  AddAmounts(create, spec.mutable_minimum(), "Minimum of a node", true);
  create.Value(
      "--committed-at", "TIME",
      [&spec](const auto& name, const auto& value) { return ReadCommittedAt(name, value, spec); },
      "When it was published: Unix seconds or 2026-03-01T12:00:00Z (default: now)");
  AddKeyValues(
      create, "--property", "KEY=DEFAULT",
      [&spec](const auto& key, const auto& value) { return AddProperty(spec, key, value); },
      "A setting and its default (repeat for several)");
  const Reader add_secret = [&spec](const auto& name, const auto& key) -> Status {
    if (AddProperty(spec, key, "")) {
      spec.mutable_properties(spec.properties_size() - 1)->set_secret(true);
      return {};
    }
    return Fail(InvalidArgument("INVALID_KEY_VALUE",
                                fmt::format("{}: key {} is given twice", name, Quote(key))));
  };
  create.Value("--secret", "KEY", add_secret,
               "A setting whose values are secrets (repeat for several)", true);
  create.Value(
      "--property-adds", "KEY:cpu=N,memory=A,disk=A",
      [&spec](const auto& name, const auto& value) { return ReadPropertyAdd(name, value, spec); },
      "What a node needs in addition when that setting is changed", true);
  AddFirewallRules(create, spec.mutable_firewall_rules());
  create.Text("--org", "ORG", spec.mutable_org(), "Make it private to this org");
  AddDryRun(create, request);
  AddRequestId(create, request);
}

void DefineImageList(Word noun) {
  const ListCommand<v1::ListImagesRequest, v1::ListImagesResponse, v1::Image> list = {
      .description = "List images and their minimum resources",
      .examples = "  tallyman image list --protocol ethereum --variant reth-mainnet-full",
      .item = "image",
      .filters = {{"--protocol", "PROTOCOL", "protocol", "Only of this protocol"},
                  {"--variant", "VARIANT", "variant", "Only of this variant"},
                  {"--version", "VERSION", "semantic_version", "Only of this semantic version"},
                  {"--org", "ORG", "org", "Private to this org only"}},
      .fields =
          "id, protocol, variant, semantic_version, build, cpu_cores, memory_bytes, disk_bytes, "
          "committed_at, org",
      .columns = {{"IMAGE", Align::kLeft, true},
                  {"COMMITTED"},
                  {"CPU", Align::kRight},
                  {"MEMORY", Align::kRight},
                  {"DISK", Align::kRight},
                  {"PROPERTIES", Align::kRight},
                  {"PRIVATE TO"}},
      .items = &v1::ListImagesResponse::images,
      .row = [](Context&, const v1::Image& image) -> std::vector<Cell> {
        std::vector<Cell> row = {{image.reference()}, {FormatTimestamp(image.committed_at())}};
        for (const DimensionView& d : kDimensionViews)
          row.push_back({FormatAmount(d, (image.minimum().*d.get)())});
        row.push_back({std::to_string(image.properties_size())});
        row.push_back({image.org()});
        return row;
      },
      .when_empty =
          "There are no images; add them with \"tallyman image create\" or \"tallyman "
          "import images\"."};
  list.Define(noun);
}

}  // namespace

void DefineImage(Word root) {
  Word image = root.Noun("image", "Images: builds of protocol versions, and what they need",
                         "  tallyman image list --protocol ethereum\n"
                         "  tallyman image show ethereum/reth-mainnet-full@0.0.9");
  DefineImageCreate(image);
  DefineImageList(image);
  auto [show, shown] = image.Verb<v1::GetImageRequest>(
      "show", "Show an image with its properties and firewall rules",
      "  tallyman image show ethereum/reth-mainnet-full@0.0.9\n"
      "  tallyman image show ethereum/reth-mainnet-full@0.0.2+1",
      ShowImage);
  show.Argument("IMAGE", shown.mutable_image(), "PROTOCOL/VARIANT@VERSION[+BUILD] or id");
}

}  // namespace tallyman::cli
