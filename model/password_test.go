package model

import "testing"

func TestCheckPassword(t *testing.T) {
	for _, good := range []string{"correct horse battery", "Übung macht den Meister", "x7#Kq'92\"p", "山田太郎と花子さん"} {
		if err := CheckPassword("ada", good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "        ", "short", " leading space", "trailing1 ", "aaaaaaaaaa", "abababababab", "12345678", "abcdefghij", "87654321",
		"Password123!", "willkommen2026", "myAda2026secret", "back\\slash12", "line\nbreak12", "broken\xffbytes"} {
		if err := CheckPassword("ada", bad); KindOf(err) != Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
