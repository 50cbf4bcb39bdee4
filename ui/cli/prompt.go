package cli

import (
	"bufio"
	"fmt"
	"strings"

	"rapport/model"
)

// mayAsk tells whether somebody is there to answer.
func (a *app) mayAsk() bool { return a.InTerminal && a.ErrTerminal && !a.flags.noInput }

// confirm asks before something that is not easily taken back. The answer that
// counts as yes has to be typed; --yes answers it.
func (a *app) confirm(format string, args ...any) error {
	if a.flags.yes || a.flags.dryRun {
		return nil
	}
	question := fmt.Sprintf(format, args...)
	if !a.mayAsk() {
		return model.Errorf(model.Invalid, "a confirmation is needed: %s", question).WithHint("add --yes")
	}
	switch strings.ToLower(a.answer(question + " [y/N] ")) {
	case "y", "yes":
		return nil
	}
	return model.Errorf(model.Interrupted, "nothing was changed")
}

// ask wants a text. The flag says how to give it without a question.
func (a *app) ask(question, flag string) (string, error) {
	if a.mayAsk() {
		if s := a.answer(question + ": "); s != "" {
			return s, nil
		}
	}
	return "", model.Errorf(model.Invalid, "%s is missing", strings.ToLower(question)).WithHint("add %s", flag)
}

func (a *app) answer(question string) string {
	fmt.Fprint(a.Err, question)
	line, err := bufio.NewReader(a.In).ReadString('\n')
	if err != nil {
		fmt.Fprintln(a.Err)
	}
	return strings.TrimSpace(line)
}
