package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// setHelp gives every command the same plain page: what it is, how it is
// called, examples first among the details, its flags, and those of all
// commands only at the top.
func setHelp(root *cobra.Command) {
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { writeHelp(cmd.OutOrStdout(), cmd) })
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		writeHelp(cmd.ErrOrStderr(), cmd)
		return nil
	})
}

func writeHelp(w io.Writer, cmd *cobra.Command) {
	var b strings.Builder
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	fmt.Fprintf(&b, "%s\n\nUsage:\n  %s\n", text, useLine(cmd))
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(&b, "\nAlso called:\n  %s\n", strings.Join(cmd.Aliases, ", "))
	}
	if cmd.Example != "" {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	groups := cmd.Groups()
	section := func(title, id string) {
		var lines []string
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() && c.GroupID == id {
				lines = append(lines, fmt.Sprintf("  %-14s %s", c.Name(), c.Short))
			}
		}
		if len(lines) > 0 {
			fmt.Fprintf(&b, "\n%s\n%s\n", title, strings.Join(lines, "\n"))
		}
	}
	for _, g := range groups {
		section(g.Title, g.ID)
	}
	section("Commands:", "")
	if s := ownFlags(cmd); s != "" {
		fmt.Fprintf(&b, "\nFlags:\n%s", s)
	}
	if cmd.HasParent() {
		fmt.Fprintf(&b, "\nFlags of every command: %s\n", strings.Join(globalNames(cmd.Root()), " "))
	} else {
		fmt.Fprintf(&b, "\nFlags of every command:\n%s", cmd.PersistentFlags().FlagUsages())
		b.WriteString("\nExit codes: 0 ok, 1 other, 2 usage, 3 partly done, 4 conflicts wait, 5 central unreachable, 6 not allowed,\n" +
			"7 locked, 8 verification failed, 9 too new, 10 not found, 70 crash, 130 interrupted.\n")
	}
	io.WriteString(w, b.String())
}

// ownFlags describes the flags of this command alone, without --help, which
// whoever reads this has found.
func ownFlags(cmd *cobra.Command) string {
	var b strings.Builder
	for line := range strings.Lines(cmd.LocalNonPersistentFlags().FlagUsages()) {
		if !strings.Contains(line, "--help ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func useLine(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() && cmd.HasParent() && cmd.Name() != "import" && cmd.Name() != "report" && cmd.Name() != "config" {
		return cmd.CommandPath() + " COMMAND"
	}
	if !cmd.HasParent() {
		return "rapport [COMMAND]"
	}
	return cmd.UseLine()
}

func globalNames(root *cobra.Command) []string {
	var out []string
	for _, word := range strings.Fields(root.PersistentFlags().FlagUsages()) {
		if strings.HasPrefix(word, "--") {
			out = append(out, word)
		}
	}
	slices.Sort(out)
	return out
}
