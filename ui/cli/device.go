package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"rapport/model"
)

func (a *app) centralDevice() *cobra.Command {
	return branch("device", "Devices that sync with the central: list, wipe, forget", a.deviceList(), a.deviceWipe(), a.deviceForget())
}

func (a *app) deviceList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List devices with who uses them, when they were seen and what they have not sent", Args: exactly(0),
		Example: "  rapport central device list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ws, err := a.administer(cmd)
			if err != nil {
				return err
			}
			devices, err := ws.Devices(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				items := []object{}
				for _, d := range devices {
					items = append(items, object{{"id", d.ID}, {"login", d.Login}, {"name", orNull(d.Name)}, {"program", orNull(d.Program)}, {"schema_version", d.Schema},
						{"position", d.Position}, {"pending", d.Pending}, {"first_seen", orNull(d.FirstSeen)}, {"last_seen", orNull(d.LastSeen)},
						{"wipe_at", orNull(d.WipeAt)}, {"wiped_at", orNull(d.WipedAt)}})
				}
				return a.result(object{{"items", items}})
			}
			if len(devices) == 0 {
				a.say("no device has synced yet")
				return nil
			}
			t := &table{head: []string{"ID", "LOGIN", "DEVICE", "SEEN", "UNSENT", "PROGRAM", "SCHEMA", "STATE"}, most: a.cellLimit(), right: []bool{4: true, 6: true, 7: false}}
			for _, d := range devices {
				t.add(d.ID.Short(), d.Login, d.Name, a.value(model.Time, d.LastSeen), fmt.Sprint(d.Pending), d.Program, fmt.Sprint(d.Schema), d.State())
			}
			return t.write(a.Out)
		},
	}
}

// onDevice does something about one device, named by its id or a part of it,
// after a question.
func (a *app) onDevice(cmd *cobra.Command, ref, what string, question func(model.DeviceState) string, do func(model.Workspace, context.Context, model.ID) error) error {
	ctx := cmd.Context()
	ws, err := a.administer(cmd)
	if err != nil {
		return err
	}
	devices, err := ws.Devices(ctx)
	if err != nil {
		return err
	}
	var ids []model.ID
	byID := map[model.ID]model.DeviceState{}
	for _, d := range devices {
		ids, byID[d.ID] = append(ids, d.ID), d
	}
	id, err := among(ids, ref, "device")
	if err != nil {
		return err
	}
	if a.flags.dryRun {
		return noDryRun(cmd)
	}
	if err := a.confirm(ctx, "%s", question(byID[id])); err != nil {
		return err
	}
	if err := do(ws, ctx, id); err != nil {
		return err
	}
	if a.json {
		return a.result(object{{"id", id}, {what, true}})
	}
	return a.print("%s of %s: %s", deviceName(byID[id]), model.Visible(byID[id].Login), map[string]string{
		"wipe_asked": "it empties itself at its next contact", "forgotten": "forgotten"}[what])
}

func deviceName(d model.DeviceState) string {
	if d.Name == "" {
		return "the device " + d.ID.Short()
	}
	return model.Visible(d.Name)
}

func (a *app) deviceWipe() *cobra.Command {
	return &cobra.Command{
		Use: "wipe ID", Short: "Let a lost device empty itself at its next contact", Args: exactly(1), Example: "  rapport central device wipe 1a2b3c4d",
		Long: "Let a lost device empty itself at its next contact: the cache with what was not sent, the search\n" +
			"file, backups in its folder, and the stored password. It is answered nothing else until then,\n" +
			"and the list shows when it said that it is empty. It needs its account for that: lock or remove\n" +
			"that afterwards. A copy of the disk, and backups elsewhere, are out of reach.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onDevice(cmd, args[0], "wipe_asked", func(d model.DeviceState) string {
				return fmt.Sprintf("Empty %s of %s at its next contact? What it has not sent is lost: %s when it was last seen.",
					deviceName(d), model.Visible(d.Login), plural(d.Pending, "record had unsent changes", "records had unsent changes"))
			}, model.Workspace.WipeDevice)
		},
	}
}

func (a *app) deviceForget() *cobra.Command {
	return &cobra.Command{
		Use: "forget ID", Short: "Take a device off the list; one that is in use comes back", Args: exactly(1), Example: "  rapport central device forget 1a2b3c4d",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onDevice(cmd, args[0], "forgotten", func(d model.DeviceState) string {
				question := fmt.Sprintf("Take %s of %s off the list?", deviceName(d), model.Visible(d.Login))
				if d.State() == "wipe asked" {
					question += " It has not been emptied yet, and then never is."
				}
				return question
			}, model.Workspace.ForgetDevice)
		},
	}
}
