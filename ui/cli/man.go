package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) man() *cobra.Command {
	return &cobra.Command{
		Use: "man", Short: "Print the manual page", Args: exactly(0), Example: "  rapport man | man -l -",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(a.Out, manual(cmd.Root()))
			return err
		},
	}
}

// manual returns the whole tree of commands as one page in roff.
func manual(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(".TH RAPPORT 1\n.SH NAME\nrapport \\- " + roff(root.Short) + "\n.SH SYNOPSIS\n.B rapport\n[COMMAND] [FLAGS]\n.SH DESCRIPTION\n")
	b.WriteString(roff(root.Long) + "\n.SH OPTIONS\n.nf\n" + roff(root.PersistentFlags().FlagUsages()) + ".fi\n.SH COMMANDS\n")
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if !c.IsAvailableCommand() {
			return
		}
		b.WriteString(".SS " + roff(useLine(c)) + "\n" + roff(c.Short) + ".\n")
		if flags := ownFlags(c); flags != "" {
			b.WriteString(".PP\n.nf\n" + roff(flags) + ".fi\n")
		}
		if c.Example != "" {
			b.WriteString(".PP\nExamples:\n.PP\n.nf\n" + roff(c.Example) + "\n.fi\n")
		}
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	for _, c := range root.Commands() {
		walk(c)
	}
	b.WriteString(".SH EXIT STATUS\n.nf\n" + `0    ok
1    other failure
2    usage or configuration
3    partly done: some rows were rejected
4    conflicts wait for a person
5    the central is unreachable; work is queued
6    not allowed
7    locked by another process
8    integrity or verification failed
9    the schema is newer than this program
10   not found
70   crash
130  interrupted
` + ".fi\n.SH ENVIRONMENT\nRAPPORT_HOME, RAPPORT_CENTRAL, RAPPORT_ME, RAPPORT_CURRENCY, RAPPORT_REGION, RAPPORT_THEME,\n" +
		"RAPPORT_PASSWORD_COMMAND, RAPPORT_PASSWORD_FILE, RAPPORT_BACKUP__TO, RAPPORT_IDENTITY, NO_COLOR\n")
	return b.String()
}

// roff keeps text from being read as requests of the formatter.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
