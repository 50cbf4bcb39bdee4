package mysql

import (
	"database/sql/driver"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// backSuffix ends the name of a table that is being made to take the place of
// another one, and of its triggers and references until then: those names are
// the whole database's. replacedMark stands in the name of a table that was
// replaced, before the day.
const (
	backSuffix   = "_back"
	replacedMark = "_replaced_"
)

// longestName is how many characters the name of a table has at most.
const longestName = 64

// exchanged is a table that takes the place of another one, or of none.
type exchanged struct {
	Table  string `json:"table"`            // its name afterwards
	Made   string `json:"made"`             // its name before
	Former string `json:"former,omitempty"` // what the one in its place is called afterwards; "" where there is none
	// Passing tells that the former one is of no use to anybody.
	Passing bool `json:"passing,omitempty"`
	// Added are columns that it was given because the one in its place has them.
	Added []string `json:"added,omitempty"`
}

// renameSQL is the table's part of the statement that exchanges.
func (x exchanged) renameSQL() string {
	in := ident(x.Made) + " TO " + ident(x.Table)
	if x.Former == "" {
		return in
	}
	return ident(x.Table) + " TO " + ident(x.Former) + "," + in
}

// backName is the name of something while its table is being made.
func backName(name string) string { return shorten(name, backSuffix) }

// shorten adds an ending to a name, whose own end gives way where both are too
// long together.
func shorten(name, ending string) string {
	if room := longestName - len(ending); len(name) > room {
		name = name[:room]
	}
	return name + ending
}

// othersTrigger is a trigger that an administrator made.
type othersTrigger struct{ name, when, definer, mode, body string }

// create returns the statements that make it on a table.
func (t othersTrigger) create(name, table string) string {
	user, host, _ := cutLast(t.definer, "@")
	return "SET @rapport_mode=@@sql_mode,sql_mode=" + quote(t.mode) + ";CREATE DEFINER=" + quote(user) + "@" + quote(host) + " TRIGGER " + ident(name) + " " + t.when + " ON " + ident(table) +
		" FOR EACH ROW " + t.body + ";SET sql_mode=@rapport_mode"
}

// cutLast cuts a text at the last place where sep is.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// triggersOn reads the triggers of a table: the names of this program's, and
// those of others.
func (b *builder) triggersOn(table string) (own []string, others []othersTrigger) {
	if b.err != nil {
		return nil, nil
	}
	err := b.query(b.ctx, "SELECT trigger_name,CONCAT(action_timing,' ',event_manipulation),definer,sql_mode,action_statement FROM information_schema.triggers WHERE trigger_schema=DATABASE() AND event_object_table="+quote(table)+" ORDER BY action_order", func(_ int, v []driver.Value) error {
		t := othersTrigger{asText(v[0]), asText(v[1]), asText(v[2]), asText(v[3]), asText(v[4])}
		if strings.Contains(t.body, "/* rapport ") {
			own = append(own, t.name)
		} else {
			others = append(others, t)
		}
		return nil
	})
	b.err = b.explain(err)
	return own, others
}

// triggersFor are this program's triggers of a table. To write down those of all
// tables takes a while.
func (b *builder) triggersFor(table string) []trigger {
	if b.byTable == nil {
		b.byTable = map[string][]trigger{}
		for _, t := range allTriggers() {
			b.byTable[t.table] = append(b.byTable[t.table], t)
		}
	}
	return b.byTable[table]
}

// giveTriggers makes the triggers of a table on the one that is to take its
// place: this program's, and those of others that are on the present one. Where
// there is one, they have names of their own until then.
func (b *builder) giveTriggers(x exchanged) {
	if !b.dialect.triggers() {
		return
	}
	drop := ""
	b.persist(func() {
		var q []string
		add := func(name, create string) {
			if drop != "" {
				q = append(q, drop+ident(name))
			}
			q = append(q, create)
		}
		for _, t := range b.triggersFor(x.Table) {
			if t.table = x.Made; x.Former != "" {
				t.name = backName(t.name)
			}
			add(t.name, t.create())
		}
		if x.Former != "" {
			_, others := b.triggersOn(x.Table)
			for _, t := range others {
				add(backName(t.name), t.create(backName(t.name), x.Made))
			}
		}
		if len(q) > 0 {
			b.run(strings.Join(q, ";"))
		}
		drop = "DROP TRIGGER IF EXISTS " // some may be there when it is tried again
	})
}

// persist runs a step again while it fails for a passing reason: a server that
// counts the rows of a large table meets who alters it. The step must find what
// an earlier try left.
func (b *builder) persist(step func()) {
	for tries := 1; b.err == nil; tries++ {
		step()
		if b.err == nil || !passing(b.err) || enough(tries, b.err) {
			return
		}
		if err := pause(b.ctx, tries); err != nil {
			return
		}
		b.err = nil
	}
}

// takeTriggers gives the triggers of a table that has taken its place their
// names, and takes them from the former one. It may be run again.
func (b *builder) takeTriggers(x exchanged) {
	if !b.dialect.triggers() {
		return
	}
	names := map[string]string{} // of others, by what they are called for now
	if x.Former != "" {
		own, others := b.triggersOn(x.Former)
		for _, t := range others {
			own = append(own, t.name)
		}
		var drop []string
		for _, name := range own {
			drop = append(drop, "DROP TRIGGER "+ident(name))
		}
		if len(drop) > 0 {
			b.run(strings.Join(drop, ";"))
		}
	}
	own, others := b.triggersOn(x.Table)
	var q []string
	for _, t := range b.triggersFor(x.Table) {
		if slices.Contains(own, t.name) && !slices.Contains(own, backName(t.name)) {
			continue
		}
		if slices.Contains(own, backName(t.name)) {
			q = append(q, "DROP TRIGGER "+ident(backName(t.name)))
		}
		if !slices.Contains(own, t.name) {
			q = append(q, t.create())
		}
	}
	for _, t := range others {
		if name, found := strings.CutSuffix(t.name, backSuffix); found && names[t.name] == "" {
			q = append(q, "DROP TRIGGER "+ident(t.name), t.create(name, x.Table))
		}
	}
	if len(q) == 0 || b.err != nil {
		return
	}
	b.run("LOCK TABLES " + ident(x.Table) + " WRITE;" + strings.Join(q, ";"))
	if err := b.exec(b.ctx, "UNLOCK TABLES"); b.err == nil {
		b.err = b.explain(err)
	}
}

// reference is a foreign key as the server tells it.
type reference struct{ name, columns, table, foreign, rules string }

var referenceForm = regexp.MustCompile("^CONSTRAINT `((?:[^`]|``)+)` FOREIGN KEY \\(([^)]*)\\) REFERENCES `((?:[^`]|``)+)` \\(([^)]*)\\)((?: ON (?:DELETE|UPDATE) (?:RESTRICT|CASCADE|SET NULL|NO ACTION|SET DEFAULT))*)$")

// referenceOf reads the foreign key in a line of a table's definition.
func referenceOf(line string) (reference, bool) {
	m := referenceForm.FindStringSubmatch(line)
	if m == nil {
		return reference{}, false
	}
	return reference{unquoted(m[1]), m[2], unquoted(m[3]), m[4], m[5]}, true
}

func unquoted(name string) string { return strings.ReplaceAll(name, "``", "`") }

// def writes the foreign key under a name, to a table.
func (r reference) def(name, table string) string {
	return fmt.Sprintf("CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s (%s)%s", ident(name), r.columns, ident(table), r.foreign, r.rules)
}

// referencesOf reads the foreign keys of a table.
func (b *builder) referencesOf(table string) []reference {
	def := b.shown(table)
	if b.err != nil {
		return nil
	}
	var out []reference
	for _, line := range def.lines {
		if r, ok := referenceOf(line); ok {
			out = append(out, r)
		}
	}
	return out
}

// shown reads how the server says that a table is defined.
func (b *builder) shown(table string) definition {
	if b.err != nil {
		return definition{}
	}
	text := ""
	err := b.query(b.ctx, "SHOW CREATE TABLE "+ident(table), func(_ int, v []driver.Value) error {
		text = asText(v[1])
		return nil
	})
	if b.err = b.explain(err); b.err != nil {
		return definition{}
	}
	d, err := parseDefinition(text)
	b.err = err
	return d
}

// takeReferences gives the references of tables that have taken their places
// their names, which the former ones have until then. It may be run again.
func (b *builder) takeReferences(xs []exchanged) {
	have := b.tables()
	for _, x := range xs {
		if x.Former == "" || !slices.Contains(have, x.Former) {
			continue
		}
		b.dropReferences(x.Former, b.referencesOf(x.Former))
	}
	for _, x := range xs {
		var drop, add []string
		for _, r := range b.referencesOf(x.Table) {
			if name, found := strings.CutSuffix(r.name, backSuffix); found {
				drop, add = append(drop, "DROP FOREIGN KEY "+ident(r.name)), append(add, "ADD "+r.def(name, r.table))
			}
		}
		if len(drop) > 0 {
			b.run("ALTER TABLE " + ident(x.Table) + " " + strings.Join(append(drop, add...), ", "))
		}
	}
}

func (b *builder) dropReferences(table string, refs []reference) {
	var drop []string
	for _, r := range refs {
		drop = append(drop, "DROP FOREIGN KEY "+ident(r.name))
	}
	if len(drop) > 0 {
		b.run("ALTER TABLE " + ident(table) + " " + strings.Join(drop, ", "))
	}
}

// freeName adds the day to a name, and a number where there is one of that name
// already.
func (b *builder) freeName(base string) string {
	return b.freeNames([]string{base})[0]
}

// freeNames is freeName for several, which get the same ending.
func (b *builder) freeNames(bases []string) []string {
	out := make([]string, len(bases))
	day := b.list("SELECT DATE_FORMAT(UTC_TIMESTAMP(),'%Y%m%d')")
	have := b.tables()
	if b.err != nil {
		return out
	}
	for i := 1; ; i++ {
		ending, taken := replacedMark+day[0], false
		if i > 1 {
			ending += fmt.Sprintf("_%d", i)
		}
		for n, base := range bases {
			out[n] = shorten(base, ending)
			taken = taken || slices.Contains(have, out[n])
		}
		if !taken {
			return out
		}
	}
}
