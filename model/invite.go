package model

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
	"strings"
)

// Invite is what a new person needs to log in for the first time.
type Invite struct {
	Central  string `json:"central"` // address with the login, without a password
	Password string `json:"password"`
	CA       string `json:"ca,omitempty"` // certificates in PEM that the server's is signed by
}

// invitePrefix begins every invite, so that it is known among other lines. The
// digit is the version of what follows.
const invitePrefix = "rapport1-"

// maxInvite bounds what an invite unpacks to.
const maxInvite = 256 << 10

// String writes the invite as one line of letters, digits, - and _.
func (i Invite) String() string {
	data, err := json.Marshal(i)
	if err != nil {
		panic("model: an invite holds texts only: " + err.Error())
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic("model: " + err.Error())
	}
	// Writing into memory does not fail.
	_, _ = w.Write(data)
	_ = w.Close()
	return invitePrefix + base64.RawURLEncoding.EncodeToString(b.Bytes())
}

// ParseInvite reads an invite as it was pasted: line breaks and blanks that a
// mail program put into it do not matter. The error is of kind Invalid and
// never shows the password.
func ParseInvite(line string) (Invite, error) {
	bad := func() (Invite, error) {
		return Invite{}, Errorf(Invalid, "this is no invite, or not all of it").WithHint("paste the whole line that the administrator gave you; it begins with %s", invitePrefix)
	}
	text, ok := strings.CutPrefix(strings.Join(strings.Fields(line), ""), invitePrefix)
	if !ok {
		return bad()
	}
	packed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return bad()
	}
	data, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxInvite))
	if err != nil {
		return bad()
	}
	var i Invite
	if json.Unmarshal(data, &i) != nil || i.Password == "" {
		return bad()
	}
	u, err := url.Parse(i.Central)
	if err != nil || u.User.Username() == "" || u.Host == "" {
		return bad()
	}
	return i, nil
}
