package backup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"rapport/model"
)

var (
	// urlPassword is what stands between user and host of an address. A
	// password that was not escaped may hold any character but blanks and
	// quotes, so it reaches to the last @.
	urlPassword = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^:@/\s"']*):[^\s"']*@`)
	// urlSignature is what makes an address of Azure a key.
	urlSignature = regexp.MustCompile(`([?&]sig=)[^&\s"']+`)
	// secretValue is a setting that is a secret by its name.
	secretValue = regexp.MustCompile(`(?is)((?:^|[\s,{."'])(?:[a-z0-9_-]*[_-])?(?:password|passphrase|passwd|secret|token)["']?\s*=\s*)("""(?:.*?)"""|'''(?:.*?)'''|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s,}#]+)`)
)

// withoutSecrets returns the text of the settings without the passwords in it.
func withoutSecrets(text string) string {
	text = urlSignature.ReplaceAllString(urlPassword.ReplaceAllString(text, "${1}@"), "${1}")
	return secretValue.ReplaceAllString(text, `${1}""`)
}

// settings returns what a backup keeps of the settings' file, "" if there is
// none.
func (b *Backuper) settings() (string, error) {
	data, err := os.ReadFile(b.o.Config)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", model.Errorf(model.Invalid, "the settings in %s cannot be read", b.o.Config).Because(err)
	}
	return withoutSecrets(string(data)), nil
}

// restoreSettings writes the settings of a backup where there are none: those
// that are there are the person's present choice.
func (b *Backuper) restoreSettings(text string) error {
	if _, err := os.Stat(b.o.Config); text == "" || !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	dir := filepath.Dir(b.o.Config)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return writeFile(dir, b.o.Config, []byte(text))
}
