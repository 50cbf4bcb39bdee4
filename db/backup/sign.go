package backup

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"rapport/model"
)

// Encryption hides what is in a backup, but anybody who knows a recipient can
// make one that looks right. So each is signed by a copy of a workspace that may
// write to the repository.

// signingKeyName is the file in the home that holds the copy's key.
const signingKeyName = "backup-signing.pem"

// signatureName is the object beside the manifest.
const signatureName = "manifest.sig"

// signature is manifest.sig: an Ed25519 signature over the text of signedText.
type signature struct {
	Key       string `json:"key"` // public, in base64, as in REPO.json
	Signature string `json:"signature"`
}

// signedText is what a signature is over: the hashes of the manifest and of the
// summary as they lie there.
func signedText(id model.ID, manifest, summary string) []byte {
	return []byte(formatName + "\n" + string(id) + "\n" + manifest + "\n" + summary + "\n")
}

// signingKey returns the key of this copy of the workspace, and makes it at the
// first call. Without a home that is in use there is none.
func (b *Backuper) signingKey() (ed25519.PrivateKey, error) {
	if b.o.DB == nil {
		return nil, nil
	}
	name := filepath.Join(b.o.Home, signingKeyName)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeSigningKey(name); err != nil {
			return nil, model.Errorf(model.Invalid, "the key that signs backups cannot be written to %s", name).Because(err)
		}
		data, err = os.ReadFile(name)
	}
	if err == nil && runtime.GOOS != "windows" {
		var info fs.FileInfo
		if info, err = os.Stat(name); err == nil && info.Mode().Perm()&0o077 != 0 {
			return nil, model.Errorf(model.Invalid, "others can read %s, the key that signs backups", name).WithHint("chmod 600 %s", name)
		}
	}
	if err == nil {
		if block, _ := pem.Decode(data); block != nil {
			if k, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
				if key, ok := k.(ed25519.PrivateKey); ok {
					return key, nil
				}
			}
		}
	}
	return nil, model.Errorf(model.Invalid, "%s does not hold the key that signs backups", name).
		WithHint("move it away: backups are signed with a new one then").Because(err)
}

// makeSigningKey writes a new key where there is none. Of two who do, one does.
func makeSigningKey(name string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+signingKeyName+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), name); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// publicText is a key as REPO.json names it.
func publicText(key ed25519.PrivateKey) string {
	return base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
}

// sign returns the object manifest.sig.
func sign(key ed25519.PrivateKey, id model.ID, manifest, summary string) ([]byte, error) {
	return encodeJSON(signature{publicText(key), base64.StdEncoding.EncodeToString(ed25519.Sign(key, signedText(id, manifest, summary)))})
}

// signedBy tells whether one of some keys signed a manifest and its summary.
func signedBy(keys []string, data []byte, id model.ID, manifest, summary string) bool {
	var s signature
	if json.Unmarshal(data, &s) != nil || !slices.Contains(keys, s.Key) {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(s.Key)
	sig, serr := base64.StdEncoding.DecodeString(s.Signature)
	return err == nil && serr == nil && len(key) == ed25519.PublicKeySize && ed25519.Verify(key, signedText(id, manifest, summary), sig)
}

// join makes the key of this copy one of the repository's. It needs the right
// to overwrite REPO.json; without it, somebody who has it must do so.
func join(ctx context.Context, s Store, r repo, key ed25519.PrivateKey) (repo, error) {
	own := publicText(key)
	// Two who join at once overwrite each other: both look again.
	for range attempts {
		if slices.Contains(r.Signers, own) {
			return r, nil
		}
		r.Signers = append(slices.Clone(r.Signers), own)
		data, err := encodeJSON(r)
		if err != nil {
			return r, err
		}
		if err := s.Put(ctx, repoName, data); mayNot(err) {
			return r, mayNotSign(s).Because(err)
		} else if err != nil {
			return r, err
		}
		if r, err = readRepo(ctx, s); err != nil {
			return r, err
		}
	}
	return r, mayNotSign(s)
}

func mayNotSign(s Store) *model.Error {
	return model.Errorf(model.Refused, "the key of this copy of the workspace is not among those that may write backups to %s", s).
		WithHint("run rapport backup init with this home and a key of the place that may overwrite REPO.json").By(model.SignPlace)
}
