package backup

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"

	"rapport/model"
)

// keys are what encrypts and decrypts the objects of one backup. The zero
// value leaves them readable.
type keys struct {
	recipients []age.Recipient
	identities []age.Identity
}

// suffix is what the names of encrypted objects end in.
const suffix = ".age"

// newKeys returns the keys for making a backup. Beside the recipients it
// encrypts to a key that exists in this process only, so that the backup can
// be read back and compared although no recipient's secret is here.
func newKeys(recipients []string) (keys, error) {
	if len(recipients) == 0 {
		return keys{}, nil
	}
	list, err := age.ParseRecipients(strings.NewReader(strings.Join(recipients, "\n")))
	if err != nil {
		return keys{}, model.Errorf(model.Invalid, "a recipient of the backups is not valid").WithHint("a recipient begins with age1; age-keygen makes one").Because(err)
	}
	k := keys{recipients: list}
	if _, ok := list[0].(*age.HybridRecipient); ok {
		own, err := age.GenerateHybridIdentity()
		if err != nil {
			return keys{}, err
		}
		k.recipients, k.identities = append(k.recipients, own.Recipient()), []age.Identity{own}
	} else {
		own, err := age.GenerateX25519Identity()
		if err != nil {
			return keys{}, err
		}
		k.recipients, k.identities = append(k.recipients, own.Recipient()), []age.Identity{own}
	}
	if _, err := age.Encrypt(io.Discard, k.recipients...); err != nil {
		return keys{}, model.Errorf(model.Invalid, "these recipients cannot be used together").WithHint("choose recipients of one family: all age1… or all age1pq…").Because(err)
	}
	return k, nil
}

// enoughKeys refuses encryption that one lost key would make useless, unless a
// person says that it is to be so.
func (b *Backuper) enoughKeys(req *model.BackupRequest) error {
	distinct := slices.Compact(slices.Sorted(slices.Values(req.Recipients)))
	if len(distinct) != 1 || req.OneKey || b.settingsOf().Backup.OneKey {
		return nil
	}
	return model.Errorf(model.Invalid, "the backups are encrypted for one key only: if it is lost, so are they").
		WithHint("rapport backup init --new-key makes a second key to keep elsewhere; --one-key, or one_key = true in [backup], does with one").By(model.SecondKey)
}

// newRecovery makes a key to be kept outside of this computer, of the family of
// the recipients that there are.
func newRecovery(recipients []string) (*model.RecoveryKey, error) {
	if slices.ContainsFunc(recipients, func(r string) bool { return strings.HasPrefix(r, "age1pq1") }) {
		k, err := age.GenerateHybridIdentity()
		if err != nil {
			return nil, err
		}
		return &model.RecoveryKey{Identity: k.String(), Recipient: k.Recipient().String()}, nil
	}
	k, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	return &model.RecoveryKey{Identity: k.String(), Recipient: k.Recipient().String()}, nil
}

// ownKeyName is the file in the home that holds this computer's key.
const ownKeyName = "backup-identity.txt"

// ownKey returns this computer's key, and makes it where there is none.
func (b *Backuper) ownKey() (*model.OwnKey, error) {
	name := filepath.Join(b.o.Home, ownKeyName)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		var k *age.X25519Identity
		if k, err = age.GenerateX25519Identity(); err != nil {
			return nil, err
		}
		data = []byte(k.String() + "\n")
		err = writeFile(b.o.Home, name, data)
	}
	if err != nil {
		return nil, model.Errorf(model.Invalid, "the key that opens backups cannot be written to %s", name).WithHint("check that the folder can be written").Because(err)
	}
	k, err := age.ParseX25519Identity(strings.TrimSpace(string(data)))
	if err != nil {
		return nil, model.Errorf(model.Invalid, "%s does not hold the key that opens backups", name).WithHint("name the key's file and its recipient in config.toml").Because(err)
	}
	return &model.OwnKey{File: name, Recipient: k.Recipient().String()}, nil
}

// readKeys returns the keys in an identity file, none for "".
func readKeys(file string) (keys, error) {
	if file == "" {
		return keys{}, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return keys{}, model.Errorf(model.Invalid, "the identity file %s cannot be read", file).Because(err)
	}
	defer f.Close()
	list, err := age.ParseIdentities(f)
	if err != nil {
		return keys{}, model.Errorf(model.Invalid, "the file %s holds no age identity", file).WithHint("an identity is a line that begins with AGE-SECRET-KEY-").Because(err)
	}
	return keys{identities: list}, nil
}

// suffix returns what is appended to the names of objects made with the keys.
func (k keys) suffix() string {
	if len(k.recipients) > 0 {
		return suffix
	}
	return ""
}

// seal returns a writer that encrypts into w, if there are recipients. Closing
// it ends the encryption, not w.
func (k keys) seal(w io.Writer) (io.WriteCloser, error) {
	if len(k.recipients) == 0 {
		return plainWriter{w}, nil
	}
	return age.Encrypt(w, k.recipients...)
}

type plainWriter struct{ io.Writer }

func (plainWriter) Close() error { return nil }

// open returns a reader of what the object of a name holds.
func (k keys) open(name string, r io.Reader) (io.Reader, error) {
	if !strings.HasSuffix(name, suffix) {
		return r, nil
	}
	if len(k.identities) == 0 {
		return nil, model.Errorf(model.Invalid, "the backup is encrypted: its key is needed").WithHint("name the identity file with --identity or RAPPORT_IDENTITY").By(model.KeyFile)
	}
	plain, err := age.Decrypt(r, k.identities...)
	var wrong *age.NoIdentityMatchError
	if errors.As(err, &wrong) {
		return nil, model.Errorf(model.Invalid, "the backup was encrypted for another key").WithHint("name the identity file of one of its recipients with --identity").By(model.KeyFile).Because(err)
	}
	return plain, err
}
