package backup

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"rapport/model"
)

// A signature proves nothing where whoever may write to a place may also replace
// the keys that it names. So a home keeps which keys it has seen at its first
// look, and believes those alone from then on, and those for which one of them
// vouches.

// pinsName is the file in the home that holds the keys that are believed.
const pinsName = "backup-keys.json"

// pins are the keys that a home believes, by place. The zero value, of what has
// no home, believes each place.
type pins struct{ file string }

// pinned are the keys, as in REPO.json, of the repositories that a home has seen
// in one place, by their ids: disks can take turns in a place.
type pinned map[model.ID][]string

// voucher says that one who may sign believes another one's key.
type voucher struct {
	Key       string `json:"key"`
	By        string `json:"by"`
	Signature string `json:"signature"` // Ed25519 over the text of vouchedText
}

// vouchedText is what a voucher's signature is over.
func vouchedText(repo model.ID, key string) []byte {
	return []byte(formatName + "\nsigner\n" + string(repo) + "\n" + key + "\n")
}

// right tells whether the voucher is right.
func (v voucher) right(repo model.ID) bool {
	key, err := base64.StdEncoding.DecodeString(v.By)
	sig, serr := base64.StdEncoding.DecodeString(v.Signature)
	return err == nil && serr == nil && len(key) == ed25519.PublicKeySize && ed25519.Verify(key, vouchedText(repo, v.Key), sig)
}

func (p pins) read() (map[string]pinned, error) {
	all := map[string]pinned{}
	data, err := os.ReadFile(p.file)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil {
		return nil, model.Errorf(model.Invalid, "the keys of backups in %s cannot be read", p.file).
			WithHint("check its rights, or move it away and run rapport backup init --trust").Because(err)
	}
	return all, nil
}

// write keeps what is known. A home that cannot be written knows nothing.
func (p pins) write(all map[string]pinned) error {
	data, err := encodeJSON(all)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(p.file), 0o700)
	}
	if err == nil {
		err = writeFile(filepath.Dir(p.file), p.file, data)
	}
	if err == nil || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nil
	}
	return model.Errorf(model.Other, "the keys of backups cannot be kept in %s", p.file).WithHint("make room there").Because(err)
}

// check returns the repository of a place with the keys that are believed. At
// the first look those are all that it names. Error: Refused where the place is
// not the one that the home knows.
func (p pins) check(s Store, r repo) (repo, error) {
	r.believed = r.Signers
	if p.file == "" {
		return r, nil
	}
	all, err := p.read()
	if err != nil {
		return r, err
	}
	known := all[s.String()]
	keys, seen := known[r.ID]
	switch {
	case r.Format == "":
		// The place is away, or somebody took REPO.json.
		r.believed = slices.Concat(slices.Collect(maps.Values(known))...)
		return r, nil
	case len(known) == 0, seen && len(keys) == 0 && len(r.Signers) > 0:
		return r, p.trust(s, r)
	case seen && len(keys) == 0:
		return r, nil
	case !seen || !slices.ContainsFunc(keys, func(k string) bool { return slices.Contains(r.Signers, k) }):
		return r, model.Errorf(model.Refused, "the keys of the backups in %s are not those that this workspace knows: somebody replaced them", s).
			WithHint("ask who looks after the place; rapport backup init --trust believes what is there now").By(model.TrustKeys)
	}
	before := len(keys)
	for grown := true; grown; {
		grown = false
		for _, v := range r.Vouchers {
			if slices.Contains(r.Signers, v.Key) && slices.Contains(keys, v.By) && !slices.Contains(keys, v.Key) && v.right(r.ID) {
				keys, grown = append(keys, v.Key), true
			}
		}
	}
	r.believed = keys
	if len(keys) == before {
		return r, nil
	}
	return r, p.trust(s, r)
}

// trust believes the believed keys of a repository from now on.
func (p pins) trust(s Store, r repo) error {
	if p.file == "" {
		return nil
	}
	all, err := p.read()
	if err != nil {
		return err
	}
	if all[s.String()] == nil {
		all[s.String()] = pinned{}
	}
	all[s.String()][r.ID] = r.believed
	return p.write(all)
}

// pins returns the keys that the home believes.
func (b *Backuper) pins() pins {
	if b.o.Home == "" {
		return pins{}
	}
	return pins{filepath.Join(b.o.Home, pinsName)}
}

// enter makes the key of this copy one of a repository's, and has the home
// believe it. fresh is a repository that was made just now.
func (b *Backuper) enter(ctx context.Context, s Store, r repo, key ed25519.PrivateKey, fresh bool) (repo, error) {
	var err error
	if fresh {
		r.believed = r.Signers
	} else if r, err = b.pins().check(s, r); err != nil {
		return r, err
	}
	believed := r.believed
	if key != nil && len(r.Signers) > 0 {
		if r, err = join(ctx, s, r, key); err != nil {
			return r, err
		}
	}
	r.believed = believed
	if own := publicText(key); key != nil && !slices.Contains(r.believed, own) && slices.Contains(r.Signers, own) {
		r.believed = append(slices.Clone(r.believed), own)
	} else if !fresh {
		return r, nil
	}
	return r, b.pins().trust(s, r)
}

// strangers returns the keys of a repository that are not believed.
func (r repo) strangers() []string {
	return slices.DeleteFunc(slices.Clone(r.Signers), func(k string) bool { return slices.Contains(r.believed, k) })
}

// vouch has the key of this copy vouch for all others that the repository names,
// so that those who believe this one believe them too. Where REPO.json may not
// be overwritten, only this home does.
func vouch(ctx context.Context, s Store, r repo, key ed25519.PrivateKey) (repo, error) {
	own := publicText(key)
	for range attempts {
		missing := slices.DeleteFunc(slices.Clone(r.Signers), func(k string) bool {
			return k == own || slices.ContainsFunc(r.Vouchers, func(v voucher) bool { return v.Key == k && v.By == own && v.right(r.ID) })
		})
		if len(missing) == 0 {
			return r, nil
		}
		for _, k := range missing {
			r.Vouchers = append(slices.Clone(r.Vouchers), voucher{k, own, base64.StdEncoding.EncodeToString(ed25519.Sign(key, vouchedText(r.ID, k)))})
		}
		data, err := encodeJSON(r)
		if err != nil {
			return r, err
		}
		if err := s.Put(ctx, repoName, data); mayNot(err) {
			return r, nil
		} else if err != nil {
			return r, err
		}
		if r, err = readRepo(ctx, s); err != nil {
			return r, err
		}
	}
	return r, nil
}
