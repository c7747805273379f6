// trucectl completion bash
#include "controller/cli/completion.h"

#include "absl/strings/str_join.h"
#include "controller/cli/command.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

// Follows the words before the cursor down the tree, then offers what may come there.
constexpr char kFunction[] = R"bash(
_trucectl_follow() {
  # Sets path to the deepest known command among the words before the cursor.
  path=""
  local word i skip=0
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${COMP_WORDS[i]}"
    if ((skip)); then skip=0; continue; fi
    case "$word" in
      -*) [[ " $_trucectl_value_flags " == *" $word "* ]] && skip=1 ;;
      *)
        local next="${path:+$path }$word"
        [[ -n "${_trucectl_candidates[$next]+known}" ]] && path="$next"
        ;;
    esac
  done
}

_trucectl() {
  local path current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD - 1]}"
  COMPREPLY=()
  if [[ " $_trucectl_value_flags " == *" $previous "* ]]; then
    case "$previous" in
      -o | --output) mapfile -t COMPREPLY < <(compgen -W "wide json yaml name" -- "$current") ;;
      --host | --to) mapfile -t COMPREPLY < <(compgen -W "$(trucectl get hosts -o name 2>/dev/null)" -- "$current") ;;
      --workload) mapfile -t COMPREPLY < <(compgen -W "$(trucectl get workloads -o name 2>/dev/null)" -- "$current") ;;
      --class) mapfile -t COMPREPLY < <(compgen -W "critical standard best_effort" -- "$current") ;;
      --driver) mapfile -t COMPREPLY < <(compgen -W "libvirt qemu podman kubernetes command" -- "$current") ;;
      *) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    esac
    return
  fi
  _trucectl_follow
  local candidates="${_trucectl_candidates[${path:-.}]}"
  if [[ "$current" != -* && -n "${_trucectl_dynamic[${path:-.}]}" ]]; then
    # shellcheck disable=SC2086 # the command is several words
    candidates+=" $(trucectl ${_trucectl_dynamic[$path]} 2>/dev/null)"
  fi
  mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$current")
}
complete -o default -F _trucectl trucectl
)bash";

}  // namespace

std::string BashCompletionScript(const std::vector<CompletionNode>& nodes,
                                 const std::vector<std::string>& value_flags) {
  std::string script =
      "# bash completion for trucectl. Use it now:      source <(trucectl completion bash)\n"
      "# Use it in every new shell:  trucectl completion bash >/etc/bash_completion.d/trucectl\n";
  StrAppend(&script, "_trucectl_value_flags=\"", absl::StrJoin(value_flags, " "), "\"\n");
  StrAppend(&script, "declare -gA _trucectl_candidates _trucectl_dynamic\n");
  for (const CompletionNode& node : nodes) {
    const std::string path = node.path.empty() ? "." : node.path;
    StrAppend(&script, "_trucectl_candidates[\"", path, "\"]=\"", absl::StrJoin(node.candidates, " "), "\"\n");
    if (!node.dynamic.empty()) StrAppend(&script, "_trucectl_dynamic[\"", path, "\"]=\"", node.dynamic, "\"\n");
  }
  return script + kFunction;
}

absl::Status CompletionBash(Session& session) {
  session.console().out << session.options().completion_script;
  return absl::OkStatus();
}

}  // namespace truce::cli
