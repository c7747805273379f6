// Where gRPC's own log lines go. The daemons call this first.
#pragma once

namespace truce::rpc {

// From here on gRPC's lines ("ssl_transport_security.cc ... Handshake failed"), one at each failed try, are in Truce's
// log at level debug, and not on stderr: what matters of them is said in a sentence where it happens. Does nothing when
// the operator asked gRPC itself to speak, with GRPC_VERBOSITY or GRPC_TRACE.
void KeepGrpcLogQuiet();

}  // namespace truce::rpc
