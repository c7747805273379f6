#include "src/host/unit_manager.h"

#include <systemd/sd-bus.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "absl/time/clock.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::host {
namespace {

// systemd answers within milliseconds, but not while it reloads; that takes seconds on a large or slow machine. Well
// below WatchdogSec= and TimeoutStopSec= of the agent's unit.
constexpr uint64_t kCallTimeoutUs = 10'000'000;
// A bus that did not answer in time is left alone for so long.
constexpr absl::Duration kQuiet = absl::Seconds(20);
constexpr char kSystemBus[] = "unix:path=/run/dbus/system_bus_socket";
constexpr char kSystemdsOwn[] = "unix:path=/run/systemd/private";

struct CloseBus {
  void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
};
struct DropMessage {
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
using Bus = std::unique_ptr<sd_bus, CloseBus>;
using Message = std::unique_ptr<sd_bus_message, DropMessage>;

// As sd_bus_open_system does, with a limit on its first call too.
absl::StatusOr<Bus> Open(const char* address, bool is_daemon) {
  sd_bus* raw = nullptr;
  int done = sd_bus_new(&raw);
  Bus bus(raw);
  if (done >= 0) done = sd_bus_set_address(raw, address);
  if (done >= 0) done = sd_bus_set_bus_client(raw, is_daemon);
  if (done >= 0) done = sd_bus_set_method_call_timeout(raw, kCallTimeoutUs);
  if (done >= 0) done = sd_bus_start(raw);
  if (done >= 0) return bus;
  return ErrnoStatus(-done, StrCat("connecting to ", address));
}

absl::StatusOr<Bus> Connect() {
  const char* other = std::getenv("DBUS_SYSTEM_BUS_ADDRESS");
  auto bus = Open(other == nullptr ? kSystemBus : other, true);
  if (!bus.ok() && other == nullptr && geteuid() == 0) {
    if (auto direct = Open(kSystemdsOwn, false); direct.ok()) return direct;
  }
  if (bus.ok()) return bus;
  return absl::UnavailableError(StrCat("no system bus: ", StdView(bus.status().message()),
                                       "; install and start dbus, which the agent asks systemd through"));
}

// Appends a variant.
int Append(sd_bus_message* message, const UnitProperty& property) {
  if (const auto* number = std::get_if<uint64_t>(&property.value)) {
    return sd_bus_message_append(message, "v", "t", *number);
  }
  const auto& bytes = std::get<std::vector<uint8_t>>(property.value);
  int done = sd_bus_message_open_container(message, 'v', "ay");
  if (done >= 0) done = sd_bus_message_append_array(message, 'y', bytes.data(), bytes.size());
  return done < 0 ? done : sd_bus_message_close_container(message);
}

absl::StatusOr<Message> Request(sd_bus* bus, const std::string& unit, const std::vector<UnitProperty>& properties) {
  sd_bus_message* raw = nullptr;
  int done = sd_bus_message_new_method_call(bus, &raw, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                            "org.freedesktop.systemd1.Manager", "SetUnitProperties");
  Message message(raw);
  constexpr int kRuntime = 1;
  if (done >= 0) done = sd_bus_message_append(raw, "sb", unit.c_str(), kRuntime);
  if (done >= 0) done = sd_bus_message_open_container(raw, 'a', "(sv)");
  for (const UnitProperty& property : properties) {
    if (done >= 0) done = sd_bus_message_open_container(raw, 'r', "sv");
    if (done >= 0) done = sd_bus_message_append(raw, "s", property.name.c_str());
    if (done >= 0) done = Append(raw, property);
    if (done >= 0) done = sd_bus_message_close_container(raw);
  }
  if (done >= 0) done = sd_bus_message_close_container(raw);
  if (done < 0) return ErrnoStatus(-done, StrCat("asking systemd for properties of ", unit));
  return message;
}

absl::Status Refusal(int error, const sd_bus_error& reply, const std::string& unit) {
  const std::string name = reply.name == nullptr ? "" : reply.name;
  const std::string said = reply.message == nullptr ? ErrnoStatus(error, "the call").ToString() : reply.message;
  const std::string text = StrCat("systemd did not set properties of ", unit, ": ", said);
  if (error == EACCES || error == EPERM || name.ends_with("InteractiveAuthorizationRequired")) {
    return absl::PermissionDeniedError(
        StrCat(text, "; install polkitd and Truce's rule for it (50-truce-agent.rules), or run the agent as root"));
  }
  if (name.ends_with("NoSuchUnit") || error == ENOENT) return absl::NotFoundError(text);
  if (error == EINVAL || error == ENOTSUP) return absl::InvalidArgumentError(text);
  return absl::UnavailableError(text);
}

}  // namespace

absl::Status SystemBus::SetProperties(const std::string& unit, const std::vector<UnitProperty>& properties) {
  if (absl::Now() < quiet_until_) {
    return absl::UnavailableError(StrCat("systemd did not answer a moment ago and is not asked about ", unit, " yet"));
  }
  TRUCE_ASSIGN_OR_RETURN(const Bus bus, Connect());
  TRUCE_ASSIGN_OR_RETURN(const Message message, Request(bus.get(), unit, properties));
  sd_bus_error reply = SD_BUS_ERROR_NULL;
  const int done = sd_bus_call(bus.get(), message.get(), kCallTimeoutUs, &reply, nullptr);
  absl::Status status = done < 0 ? Refusal(-done, reply, unit) : absl::OkStatus();
  sd_bus_error_free(&reply);
  if (done == -ETIMEDOUT) quiet_until_ = absl::Now() + kQuiet;
  return status;
}

}  // namespace truce::host
