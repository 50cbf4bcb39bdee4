package cli

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"time"

	"github.com/adrg/xdg"
	"github.com/pelletier/go-toml/v2"

	"rapport/model"
)

// ConfigFile is the name of the configuration in a home.
const configName = "config.toml"

// fallbackCurrency is that of amounts without one where nobody said which.
const fallbackCurrency = "EUR"

// configFile is what config.toml may hold.
type configFile struct {
	Central         any    `toml:"central"` // a text, or a list of a primary and its standbys
	Me              string `toml:"me"`
	User            string `toml:"user"` // another word for me
	Currency        string `toml:"currency"`
	Region          string `toml:"region"`
	Theme           string `toml:"theme"`
	PasswordCommand string `toml:"password_command"`
	PasswordFile    string `toml:"password_file"`
	Sync            struct {
		Interval string `toml:"interval"`
	} `toml:"sync"`
	Backup struct {
		To                 string   `toml:"to"`
		Recipients         []string `toml:"recipients"`
		OneKey             bool     `toml:"one_key"`
		Identity           string   `toml:"identity"`
		CredentialsCommand string   `toml:"credentials_command"`
		CredentialsFile    string   `toml:"credentials_file"`
		ReadFrom           string   `toml:"read_from"`
		Schedule           string   `toml:"schedule"`
		Trial              string   `toml:"trial"`
		TimeZone           string   `toml:"time_zone"`
		KeepLast           int      `toml:"keep_last"`
		KeepDaily          int      `toml:"keep_daily"`
		KeepWeekly         int      `toml:"keep_weekly"`
		KeepMonthly        int      `toml:"keep_monthly"`
		KeepYearly         int      `toml:"keep_yearly"`
	} `toml:"backup"`
}

// settings are what holds for this run: flags before the environment before
// the file.
type settings struct {
	home, config, central, me, currency, region, theme string
	passwordCommand, passwordFile                      string
	backupTo, identity, readFrom                       string
	credentialsCommand, credentialsFile                string // of the place of backups
	recipients                                         []string
	oneKey                                             bool // one recipient is enough
	schedule, trial                                    model.Schedule
	keep                                               model.KeepRules
	configFound                                        bool
	syncInterval                                       time.Duration
}

func (s *settings) workspace() model.Settings {
	return model.Settings{Home: s.home, Config: s.config, Me: s.me, Currency: s.currency, Region: s.region, Central: s.central,
		PasswordCommand: s.passwordCommand, PasswordFile: s.passwordFile, SyncInterval: s.syncInterval,
		Backup: model.BackupSettings{To: s.backupTo, Recipients: s.recipients, OneKey: s.oneKey, Identity: s.identity, CredentialsCommand: s.credentialsCommand, CredentialsFile: s.credentialsFile,
			Schedule: s.schedule, Trial: s.trial, Keep: s.keep, ReadFrom: s.readFrom}}
}

// load reads the settings, once.
func (a *app) load() (*settings, error) {
	if a.settings != nil {
		return a.settings, nil
	}
	s, err := a.readSettings()
	if err != nil {
		return nil, err
	}
	a.settings = s
	return s, nil
}

func (a *app) readSettings() (*settings, error) {
	s := &settings{}
	var err error
	if s.home, s.config, err = a.places(); err != nil {
		return nil, err
	}
	file, found, err := readConfig(s.config)
	if err != nil {
		return nil, err
	}
	s.configFound = found
	central, err := centralOf(file.Central)
	if err != nil {
		return nil, model.Errorf(model.Invalid, "%s: %v", s.config, err)
	}
	pick := func(values ...string) string {
		for _, v := range values {
			if v != "" {
				return v
			}
		}
		return ""
	}
	s.central = pick(a.flags.central, a.Env("RAPPORT_CENTRAL"), central)
	s.me = pick(a.flags.me, a.Env("RAPPORT_ME"), a.Env("RAPPORT_USER"), file.Me, file.User, userOf(s.central), a.account())
	s.currency = strings.ToUpper(pick(a.Env("RAPPORT_CURRENCY"), file.Currency, fallbackCurrency))
	s.region = strings.ToUpper(pick(a.Env("RAPPORT_REGION"), file.Region))
	s.theme = pick(a.flags.theme, a.Env("RAPPORT_THEME"), file.Theme)
	s.passwordCommand = pick(a.Env("RAPPORT_PASSWORD_COMMAND"), file.PasswordCommand)
	s.passwordFile = pick(a.Env("RAPPORT_PASSWORD_FILE"), file.PasswordFile)
	s.backupTo = pick(a.Env("RAPPORT_BACKUP__TO"), file.Backup.To)
	s.identity = pick(a.Env("RAPPORT_IDENTITY"), file.Backup.Identity)
	s.credentialsCommand = pick(a.Env("RAPPORT_BACKUP__CREDENTIALS_COMMAND"), file.Backup.CredentialsCommand)
	s.credentialsFile = pick(a.Env("RAPPORT_BACKUP__CREDENTIALS_FILE"), file.Backup.CredentialsFile)
	s.recipients, s.oneKey = file.Backup.Recipients, file.Backup.OneKey
	if v := a.Env("RAPPORT_BACKUP__RECIPIENTS"); v != "" {
		s.recipients = strings.Split(v, ",")
	}
	zone := pick(a.Env("RAPPORT_BACKUP__TIME_ZONE"), file.Backup.TimeZone)
	if s.schedule, err = model.ParseSchedule(pick(a.Env("RAPPORT_BACKUP__SCHEDULE"), file.Backup.Schedule), zone); err != nil {
		return nil, err
	}
	if s.trial, err = model.ParseSchedule(pick(a.Env("RAPPORT_BACKUP__TRIAL"), file.Backup.Trial), zone); err != nil {
		return nil, err
	}
	if s.readFrom, err = readFromOf(pick(a.Env("RAPPORT_BACKUP__READ_FROM"), file.Backup.ReadFrom)); err != nil {
		return nil, err
	}
	k := file.Backup
	s.keep = model.KeepRules{Last: k.KeepLast, Daily: k.KeepDaily, Weekly: k.KeepWeekly, Monthly: k.KeepMonthly, Yearly: k.KeepYearly}
	if min(k.KeepLast, k.KeepDaily, k.KeepWeekly, k.KeepMonthly, k.KeepYearly) < 0 {
		return nil, model.Errorf(model.Invalid, "%s: a keep rule of [backup] is below zero", s.config)
	}
	if s.syncInterval, err = interval(pick(a.Env("RAPPORT_SYNC__INTERVAL"), file.Sync.Interval)); err != nil {
		return nil, err
	}
	if len(s.currency) != 3 {
		return nil, model.Errorf(model.Invalid, "%q is no currency", s.currency).WithHint("write its three letters, for example EUR")
	}
	if s.theme != "" && s.theme != "dark" && s.theme != "light" {
		return nil, model.Errorf(model.Invalid, "the theme %q is neither dark nor light", s.theme)
	}
	return s, nil
}

// The shortest and the longest pause between two polls that can be chosen.
const (
	intervalLeast = time.Second
	intervalMost  = time.Hour
)

// interval reads the pause between two polls of the central; 0 where none is
// chosen.
func interval(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < intervalLeast || d > intervalMost {
		return 0, model.Errorf(model.Invalid, "%q is no pause between two syncs", s).WithHint("write one from 1s to 1h, for example interval = \"20s\"")
	}
	return d, nil
}

// pause writes a pause between two polls as it is read, "" for none chosen.
func pause(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// places returns the folder of the workspace and the file of its configuration.
func (a *app) places() (home, config string, err error) {
	home = a.flags.home
	if home == "" {
		home = a.Env("RAPPORT_HOME")
	}
	if home != "" {
		if home, err = filepath.Abs(home); err != nil {
			return "", "", fmt.Errorf("home %s: %w", home, err)
		}
		config = filepath.Join(home, configName)
	} else {
		home = filepath.Join(a.dataFolder(), "rapport")
		config = filepath.Join(a.folder("XDG_CONFIG_HOME", xdg.ConfigHome), "rapport", configName)
	}
	if a.flags.config != "" {
		if config, err = filepath.Abs(a.flags.config); err != nil {
			return "", "", fmt.Errorf("config %s: %w", a.flags.config, err)
		}
		if _, err := os.Stat(config); err != nil {
			return "", "", model.Errorf(model.Invalid, "the configuration %s cannot be read", config).Because(err)
		}
	}
	return home, config, nil
}

func (a *app) dataFolder() string { return a.folder("XDG_DATA_HOME", xdg.DataHome) }

// folder returns the folder that a variable names. A relative one is ignored,
// as the XDG specification asks.
func (a *app) folder(variable, fallback string) string {
	if dir := a.Env(variable); filepath.IsAbs(dir) {
		return dir
	}
	return fallback
}

// account is the name under which the person is logged in to this machine.
func (a *app) account() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username[strings.LastIndexByte(u.Username, '\\')+1:]
	}
	for _, name := range []string{"USER", "LOGNAME", "USERNAME"} {
		if v := a.Env(name); v != "" {
			return v
		}
	}
	return ""
}

// readConfig reads a configuration strictly: a key that means nothing is an
// error that names the place and the nearest key. An absent file is an empty
// one.
func readConfig(path string) (configFile, bool, error) {
	var c configFile
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return c, false, nil // that a home is no folder is said when it is opened
	}
	if err != nil {
		return c, false, model.Errorf(model.Invalid, "the configuration %s cannot be read", path).WithHint("check its rights").Because(err)
	}
	dec := toml.NewDecoder(strings.NewReader(string(data)))
	dec.DisallowUnknownFields()
	err = dec.Decode(&c)
	var unknown *toml.StrictMissingError
	var broken *toml.DecodeError
	switch {
	case errors.As(err, &unknown) && len(unknown.Errors) > 0:
		first := unknown.Errors[0]
		line, _ := first.Position()
		key := strings.Join(first.Key(), ".")
		e := model.Errorf(model.Invalid, "%s, line %d: the key %q means nothing here", path, line, key)
		known := configKeys(reflect.TypeFor[configFile](), "")
		if near := model.Nearest(key, known); near != "" {
			return c, true, e.WithHint("did you mean %s?", near)
		}
		return c, true, e.WithHint("the keys are %s", strings.Join(known, ", "))
	case errors.As(err, &broken):
		line, _ := broken.Position()
		return c, true, model.Errorf(model.Invalid, "%s, line %d: %s", path, line, strings.TrimPrefix(broken.Error(), "toml: "))
	case err != nil:
		return c, true, model.Errorf(model.Invalid, "%s: %v", path, err)
	}
	return c, true, nil
}

func configKeys(t reflect.Type, prefix string) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		name := prefix + f.Tag.Get("toml")
		if f.Type.Kind() == reflect.Struct {
			out = append(out, configKeys(f.Type, name+".")...)
			continue
		}
		out = append(out, name)
	}
	return out
}

// centralOf reads the central of a configuration: one address or a list.
func centralOf(v any) (string, error) {
	switch x := v.(type) {
	case nil:
		return "", nil
	case string:
		return x, nil
	case []any:
		var parts []string
		for _, p := range x {
			s, ok := p.(string)
			if !ok {
				return "", fmt.Errorf("central is a text or a list of texts")
			}
			parts = append(parts, s)
		}
		return strings.Join(parts, ","), nil
	}
	return "", fmt.Errorf("central is a text or a list of texts")
}

// userOf returns the user that a central's address names, "" if none.
func userOf(central string) string {
	first, _, _ := strings.Cut(central, ",")
	u, err := url.Parse(strings.TrimSpace(first))
	if err != nil || u.User == nil {
		return ""
	}
	return u.User.Username()
}

// redacted returns a central's address without its password. Each address of a
// list begins with its scheme: other commas may belong to a password.
func redacted(central string) string {
	var parts []string
	for _, p := range strings.Split(central, ",") {
		if last := len(parts) - 1; last >= 0 && !strings.Contains(p, "://") {
			parts[last] += "," + p
		} else {
			parts = append(parts, p)
		}
	}
	for i, p := range parts {
		scheme, rest, ok := strings.Cut(p, "://")
		if !ok {
			continue
		}
		at := strings.LastIndexByte(rest, '@')
		if at < 0 {
			continue
		}
		if name, _, has := strings.Cut(rest[:at], ":"); has {
			parts[i] = scheme + "://" + name + ":***" + rest[at:]
		}
	}
	return strings.Join(parts, ",")
}
