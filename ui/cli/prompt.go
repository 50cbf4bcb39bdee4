package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"rapport/model"
)

// mayAsk tells whether somebody is there to answer.
func (a *app) mayAsk() bool { return a.InTerminal && a.ErrTerminal && !a.flags.noInput }

// confirm asks before something that is not easily taken back. The answer that
// counts as yes has to be typed; --yes answers it.
func (a *app) confirm(ctx context.Context, format string, args ...any) error {
	if a.flags.yes || a.flags.dryRun {
		return nil
	}
	question := fmt.Sprintf(format, args...)
	if !a.mayAsk() {
		return model.Errorf(model.Invalid, "a confirmation is needed: %s", question).WithHint("add --yes")
	}
	answer, err := a.answer(ctx, question+" [y/N] ")
	if err != nil {
		return err
	}
	switch strings.ToLower(answer) {
	case "y", "yes":
		return nil
	}
	return model.Errorf(model.Interrupted, "nothing was changed")
}

// ask wants a text. The flag says how to give it without a question.
func (a *app) ask(ctx context.Context, question, flag string) (string, error) {
	if a.mayAsk() {
		if s, err := a.answer(ctx, question+": "); err != nil || s != "" {
			return s, err
		}
	}
	return "", model.Errorf(model.Invalid, "%s is missing", strings.ToLower(question)).WithHint("add %s", flag)
}

// answer reads one line. A line that never comes does not keep ctrl+c from
// ending the program.
func (a *app) answer(ctx context.Context, question string) (string, error) {
	fmt.Fprint(a.Err, question)
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.In).ReadString('\n')
		lines <- line
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.Err)
		return "", ctx.Err()
	case line := <-lines:
		if !strings.HasSuffix(line, "\n") {
			fmt.Fprintln(a.Err)
		}
		return strings.TrimSpace(line), nil
	}
}
