package sqlite

import (
	"fmt"
	"slices"
	"strings"

	"rapport/model"
)

// link is a row that points to a record by a column.
type link struct {
	e      *model.Entity
	id     model.ID
	column string
}

// traced is where a contact occurs.
type traced struct {
	plan  model.ErasurePlan
	alone []recordKey // what was noted about it alone
	links []link      // rows that stay
}

// traces finds every place in which a contact occurs. Error: NotFound.
func (t *Tx) traces(id model.ID) (traced, error) {
	contact := model.EntityOf("contact")
	s := traced{plan: model.ErasurePlan{Erased: map[model.Noun]int64{}, Unlinked: map[model.Noun]int64{}, Look: []model.Ref{}, Alike: []model.Ref{}, Notes: []string{}}}
	row, err := t.row(contact, id)
	if err != nil {
		return s, err
	}
	if row == nil {
		return s, model.Errorf(model.NotFound, "there is no contact %s here", id.Short()).WithHint("`rapport search` finds it; `rapport privacy list` shows what was erased already")
	}
	if s.plan.Record, err = t.refOf("contact", id); err != nil {
		return s, err
	}
	s.plan.Erased["contact"] = 1
	if err := t.countParts(&s, contact, id); err != nil {
		return s, err
	}
	if s.alone, err = t.aboutAlone(id); err != nil {
		return s, err
	}
	for _, k := range s.alone {
		s.plan.Erased[k.noun]++
		if err := t.countParts(&s, model.EntityOf(k.noun), k.id); err != nil {
			return s, err
		}
	}
	if err := t.findLinks(&s, id); err != nil {
		return s, err
	}
	s.plan.Alike, err = t.alike(id)
	return s, err
}

func (t *Tx) countParts(s *traced, e *model.Entity, id model.ID) error {
	parts, err := t.partsOf(e, id)
	for _, p := range parts {
		s.plan.Erased[p.e.Noun]++
	}
	return err
}

// refOf names a record.
func (t *Tx) refOf(noun model.Noun, id model.ID) (model.Ref, error) {
	ref := model.Ref{Noun: noun, ID: id}
	err := t.QueryRow("SELECT title FROM "+quote(string(noun))+" WHERE id = ?", id.Bytes()).Scan(&ref.Name)
	return ref, err
}

// aboutAlone lists the activities that are about a contact and nothing else.
func (t *Tx) aboutAlone(id model.ID) ([]recordKey, error) {
	ids, err := scanIDs(t.query(`SELECT DISTINCT l.activity_id
FROM activity_link AS l
WHERE l.contact_id = ?1
  AND NOT EXISTS (SELECT 1 FROM activity_link AS o WHERE o.activity_id = l.activity_id AND o.deleted_at IS NULL AND o.contact_id IS NOT ?1)
ORDER BY 1`, id.Bytes()))
	var out []recordKey
	for _, x := range ids {
		out = append(out, recordKey{"activity", x})
	}
	return out, err
}

// findLinks lists the rows that point to a contact and stay, and names the
// records that may tell of the person in their words.
func (t *Tx) findLinks(s *traced, id model.ID) error {
	seen := map[recordKey]bool{}
	for _, k := range s.alone {
		seen[k] = true
	}
	for _, e := range model.Entities() {
		for _, c := range e.Columns() {
			if c.Ref != "contact" || c.Owner {
				continue
			}
			ids, err := scanIDs(t.query("SELECT id\nFROM "+quote(string(e.Noun))+"\nWHERE "+quote(c.Name)+" = ?", id.Bytes()))
			if err != nil {
				return err
			}
			for _, x := range ids {
				row, err := t.row(e, x)
				if err != nil {
					return err
				}
				k := recordOf(e, row)
				if slices.Contains(s.alone, k) {
					continue
				}
				s.links = append(s.links, link{e, x, c.Name})
				s.plan.Unlinked[e.Noun]++
				if seen[k] {
					continue
				}
				seen[k] = true
				ref, err := t.refOf(k.noun, k.id)
				if err != nil {
					return err
				}
				s.plan.Look = append(s.plan.Look, ref)
			}
		}
	}
	return nil
}

// alike lists the living contacts that share an address or a number with one.
func (t *Tx) alike(id model.ID) ([]model.Ref, error) {
	method := model.EntityOf("contact_method")
	var same []string
	for _, name := range method.PartKey {
		same = append(same, fmt.Sprintf("o.%[1]s = m.%[1]s", quote(method.Field(name).Columns()[0].Name)))
	}
	ids, err := scanIDs(t.query("SELECT DISTINCT o.contact_id\nFROM contact_method AS m JOIN contact_method AS o ON "+strings.Join(same, " AND ")+
		"\nJOIN contact AS c ON c.id = o.contact_id AND c.deleted_at IS NULL\nWHERE m.contact_id = ?1 AND o.contact_id <> ?1 AND o.deleted_at IS NULL\nORDER BY 1", id.Bytes()))
	if err != nil {
		return nil, err
	}
	out := []model.Ref{}
	for _, x := range ids {
		ref, err := t.refOf("contact", x)
		if err != nil {
			return nil, err
		}
		out = append(out, ref)
	}
	return out, nil
}
