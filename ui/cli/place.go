package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
)

const (
	toHelp     = "folder, or s3://, gs:// or azblob:// address; [backup] to of config.toml, else the workspace's backups folder, if left out"
	placesHelp = `Backups lie in a folder, also of a mounted share, or in an object store:
  s3://BUCKET/PREFIX              Amazon S3; ?region=R
  s3://BUCKET/PREFIX?endpoint=HOST:PORT
                                  what is compatible with it: MinIO, Ceph, R2, B2, Wasabi, Hetzner, …
  gs://BUCKET/PREFIX              Google Cloud Storage, with an HMAC key
  azblob://ACCOUNT/CONTAINER/PREFIX
                                  Azure Blob Storage
Transfers are encrypted unless the endpoint is this computer; &insecure=true allows another without.

The key never stands in the address. It is read from the usual variables:
  s3      AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, or ~/.aws/credentials with AWS_PROFILE
  gs      GCS_HMAC_ACCESS_ID, GCS_HMAC_SECRET
  azblob  AZURE_STORAGE_KEY, or AZURE_STORAGE_SAS_TOKEN, or AZURE_STORAGE_CONNECTION_STRING
or from credentials_command or credentials_file of [backup] in config.toml, which give the same names,
a line NAME=value each. It needs to read, list and add. Whether it may delete is your choice. A laptop's
key that may not leaves older backups alone, and with versioning or object lock it cannot overwrite them
either; what an interruption leaves is then removed by another key.`
)

// backupInit makes a place of backups ready and says what may be done there.
func (a *app) backupInit() *cobra.Command {
	var to string
	var newKey, ownKey, trust bool
	c := &cobra.Command{
		Use: "init", Short: "Make a place ready for backups and try out what the key may do there", Args: exactly(0),
		Long: "Make a place ready for backups and try out what may be done there: reading, writing, making an\n" +
			"object only where none is, deleting. Nothing is left behind where it may be deleted. The key with which\n" +
			"this copy of the workspace signs its backups becomes one of the place's.\n\n" +
			"The workspace keeps which keys the place named at its first look. From then on backups of other keys do\n" +
			"not count, and a place whose keys were replaced is refused. When a computer has joined, run this once with\n" +
			"--trust on one that was there before: all who know that one believe the new one then.\n\n" +
			"With --new-key it makes a second key for encrypted backups, prints it once and keeps it nowhere. Write\n" +
			"it down or print it, and keep it away from this computer: it opens the backups when all else is lost.\n" +
			"With --own-key it makes this computer's key, or takes the one that is there, and says which file holds it.\n\n" + placesHelp,
		Example: "  rapport backup init --to /mnt/share/rapport\n  rapport backup init --to gs://crm-backups/ann --own-key --new-key",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.flags.dryRun {
				return noDryRun(cmd)
			}
			req := model.BackupRequest{To: to, NewKey: newKey, OwnKey: ownKey, Trust: trust}
			ws, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			t, err := ws.InitBackups(cmd.Context(), req)
			if err != nil {
				return err
			}
			if err := a.targetTold(t); err != nil {
				return err
			}
			if err := a.ownTold(t.Own); err != nil || t.Recovery == nil {
				return err
			}
			return a.recoveryTold(cmd.Context(), t.Recovery)
		},
	}
	c.Flags().StringVar(&to, "to", "", toHelp)
	c.Flags().BoolVar(&newKey, "new-key", false, "make a recovery key and print it once")
	c.Flags().BoolVar(&trust, "trust", false, "believe the keys that the place names now, whatever they were before, and vouch for them")
	c.Flags().BoolVar(&ownKey, "own-key", false, "make this computer's key, with which it opens its backups")
	return c
}

// ownTold prints where this computer's key is.
func (a *app) ownTold(k *model.OwnKey) error {
	if k == nil || a.json {
		return nil // it is part of the result
	}
	return a.print("\nThis computer's key is in %s. In config.toml it is [backup] identity, and among recipients:\n  %s", k.File, k.Recipient)
}

// recoveryTold prints a recovery key and, where a person sits there, has it
// typed again: a key that nobody kept is none.
func (a *app) recoveryTold(ctx context.Context, k *model.RecoveryKey) error {
	if a.json {
		return nil // it is part of the result
	}
	if err := a.print("\nThe recovery key, which is shown this once:\n  %s", k.Identity); err != nil {
		return err
	}
	if a.mayAsk() {
		for tries := 3; ; tries-- {
			answer, err := a.answer(ctx, "Keep it away from this computer. Then type it here: ")
			if err != nil {
				return err
			}
			if strings.EqualFold(strings.Join(strings.Fields(answer), ""), k.Identity) {
				break
			}
			if tries == 1 {
				return model.Errorf(model.Invalid, "that was not the recovery key: do not use it").WithHint("run the command again for another one")
			}
			a.say("that is not it")
		}
	}
	return a.print("Backups are encrypted for it too when it is among [backup] recipients in config.toml:\n  %s", k.Recipient)
}

// targetTold prints what a place lets its key do. One that cannot be written
// and read is no place for backups: they could not be proved.
func (a *app) targetTold(t model.BackupTarget) error {
	switch {
	case !t.Write:
		return model.Errorf(model.Refused, "%s can be read, but not written: backups can be restored from it, not made", t.Address).
			WithHint("give the key the right to add objects")
	case !t.Read:
		return model.Errorf(model.Refused, "%s can be written, but not read: a backup could not be proved", t.Address).
			WithHint("give the key the rights to read and to list")
	}
	if a.json {
		o := object{{"address", t.Address}, {"fresh", t.Fresh}, {"read", t.Read}, {"write", t.Write},
			{"create_if_absent", t.Exclusive}, {"delete", t.Delete}, {"unknown_keys", t.Strangers}, {"left", orNull(t.Left)}}
		if k := t.Recovery; k != nil {
			o = append(o, pair{"recovery_key", k.Identity}, pair{"recovery_recipient", k.Recipient})
		}
		if k := t.Own; k != nil {
			o = append(o, pair{"own_key_file", k.File}, pair{"own_recipient", k.Recipient})
		}
		return a.result(o)
	}
	exclusive, deletes := "yes", "yes"
	if !t.Exclusive {
		exclusive = "no: of two who write the same object at once, the later one wins; backups never do"
	}
	if !t.Delete {
		deletes = "no: what an interruption leaves stays until a key with more rights removes it, also " + t.Left
	}
	if t.Strangers > 0 {
		a.say("%s may sign backups there that this workspace does not know: --trust believes them", plural(int64(t.Strangers), "key", "keys"))
	}
	return a.print("%s is ready for backups\n  read              yes\n  write             yes\n  create if absent  %s\n  delete            %s",
		t.Address, exclusive, deletes)
}

// redactedPlace returns the address of a place of backups without what a
// person may have put into it by mistake: only parameters that are known to be
// none of a key are shown.
func redactedPlace(to string) string {
	at, query, has := strings.Cut(redacted(to), "?")
	if !has || !strings.Contains(at, "://") {
		return redacted(to)
	}
	parts := strings.Split(query, "&")
	for i, p := range parts {
		if name, _, _ := strings.Cut(p, "="); !slices.Contains([]string{"endpoint", "region", "insecure"}, name) {
			parts[i] = "***"
		}
	}
	return at + "?" + strings.Join(parts, "&")
}
