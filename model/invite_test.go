package model

import (
	"strings"
	"testing"
)

func TestInvite(t *testing.T) {
	want := Invite{Central: "mysql://ada@crm.example.org:3306/crm?tls=true", Password: "Aa1-bcdef", CA: strings.Repeat("-----BEGIN CERTIFICATE-----\nMIIB\n", 20)}
	line := want.String()
	if strings.ContainsAny(line, " \n\"'$") || strings.Contains(line, want.Password) {
		t.Errorf("the line is %q", line)
	}
	for _, pasted := range []string{line, "  " + line + "\r\n", line[:40] + "\n" + line[40:]} {
		if got, err := ParseInvite(pasted); err != nil || got != want {
			t.Errorf("%q: %+v, %v", pasted, got, err)
		}
	}
	for _, bad := range []string{"", "hello", line[:len(line)-3], strings.Replace(line, "rapport1-", "rapport2-", 1), Invite{Central: "mysql://h/d", Password: "x"}.String(), Invite{Central: want.Central}.String()} {
		if _, err := ParseInvite(bad); KindOf(err) != Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
