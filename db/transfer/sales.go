package transfer

import (
	"fmt"
	"iter"
	"strings"
	"unicode"

	"rapport/model"
)

// The four files of the sales dataset, in the order in which they are read.
const (
	salesAccounts = "accounts"
	salesProducts = "products"
	salesTeams    = "teams"
	salesPipeline = "pipeline"
)

var salesOrder = []string{salesAccounts, salesProducts, salesTeams, salesPipeline}

// salesHeaders are the columns by which a file of the dataset is recognised.
var salesHeaders = map[string][]string{
	salesAccounts: {"account", "sector", "year_established", "revenue", "employees", "office_location", "subsidiary_of"},
	salesProducts: {"product", "series", "sales_price"},
	salesTeams:    {"sales_agent", "manager", "regional_office"},
	salesPipeline: {"opportunity_id", "sales_agent", "product", "account", "deal_stage", "engage_date", "close_date", "close_value"},
}

// salesNouns are what the rows of each file become.
var salesNouns = map[string]model.Noun{salesAccounts: "organization", salesProducts: "product", salesTeams: "user", salesPipeline: "deal"}

// salesCurrency is the currency of the dataset's amounts.
const salesCurrency = "USD"

// misspelt are spellings of the dataset that are known to be mistakes.
var misspelt = map[string]string{"technolgy": "technology", "Philipines": "Philippines"}

// salesFile tells which file of the dataset has a header, "" if none.
func salesFile(header []string) string {
	for _, kind := range salesOrder {
		want := salesHeaders[kind]
		if len(header) == len(want) {
			same := true
			for i := range want {
				same = same && strings.EqualFold(strings.TrimSpace(header[i]), want[i])
			}
			if same {
				return kind
			}
		}
	}
	return ""
}

// sales reads the dataset. Products are known by their letters and digits
// alone: the pipeline writes GTXPro for GTX Pro.
type sales struct {
	im       *importer
	products map[string]model.Record // by letters and digits, from the file
}

// openSales makes sources of the files of the dataset, in an order in which
// links find their targets, whatever the order they were given in.
func (im *importer) openSales(files []*file) ([]source, error) {
	if im.req.Preset != "" && im.req.Preset != presetSales {
		return nil, nil
	}
	s := &sales{im: im, products: map[string]model.Record{}}
	byKind := map[string][]*file{}
	for _, f := range files {
		kind := salesFile(f.header)
		if kind != "" && (im.req.As == "" || im.req.As == salesNouns[kind]) {
			byKind[kind] = append(byKind[kind], f)
			f.table = &table{noun: salesNouns[kind], preset: presetSales, header: f.header}
		} else if im.req.Preset == presetSales {
			return nil, model.Errorf(model.Invalid, "%s is none of the files of the sales dataset", f.name).
				WithHint("they are accounts, products, sales_teams and sales_pipeline, as CSV")
		}
	}
	read := map[string]func(*file, csvRow) []item{salesAccounts: s.account, salesProducts: s.product, salesTeams: s.agent, salesPipeline: s.deal}
	var out []source
	for _, kind := range salesOrder {
		for _, f := range byKind[kind] {
			items := s.rows(f, len(salesHeaders[kind]), read[kind])
			if kind == salesAccounts {
				items = parentsFirst(items)
			}
			out = append(out, source{noun: salesNouns[kind], items: items, total: int64(strings.Count(f.text, "\n"))})
		}
	}
	return out, nil
}

// rows reads the rows of one file of the dataset.
func (s *sales) rows(f *file, width int, read func(*file, csvRow) []item) iter.Seq[item] {
	return func(yield func(item) bool) {
		for row := range f.body() {
			if row.Problem != "" || len(row.Cells) != width {
				if row.Problem == "" {
					row.Problem = fmt.Sprintf("the row has %d cells, the header %d", len(row.Cells), width)
				}
				if !yield(s.item(f, row, model.Edit{Noun: f.table.noun}, model.Errorf(model.Invalid, "%s", row.Problem))) {
					return
				}
				continue
			}
			for _, it := range read(f, row) {
				if !yield(it) {
					return
				}
			}
		}
	}
}

func (s *sales) item(f *file, row csvRow, ed model.Edit, err error) item {
	ed.MakeLinks = true
	return item{file: f.name, line: row.Line, edit: ed, source: row.Cells, header: f.header, err: err}
}

// values parses cells into an edit's fields by name; it keeps the first error.
func (s *sales) values(ed *model.Edit, cells map[string]string) error {
	e := model.EntityOf(ed.Noun)
	var first error
	for name, cell := range cells {
		cell = strings.TrimSpace(unguard(cell))
		if cell == "" {
			continue
		}
		if right, ok := misspelt[cell]; ok {
			s.im.notes.add(mended, fmt.Sprintf("%q to %q", cell, right))
			cell = right
		}
		v, err := model.ParseValue(e.Field(name), cell, model.Env{Now: s.im.req.Env.Now, Currency: salesCurrency})
		if err != nil && first == nil {
			first = model.Errorf(model.Invalid, "%s: %s", e.Field(name).Label, err)
		}
		ed.Set[name] = v
	}
	return first
}

func (s *sales) account(f *file, row csvRow) []item {
	ed := model.Edit{Noun: "organization", Set: map[string]any{}}
	c := row.Cells
	cells := map[string]string{"name": c[0], "industry": c[1], "founded": c[2], "employees": c[4], "parent": c[6]}
	if strings.TrimSpace(c[3]) != "" {
		cells["annual_revenue"] = strings.TrimSpace(c[3]) + "M"
	}
	err := s.values(&ed, cells)
	if country := strings.TrimSpace(unguard(c[5])); country != "" {
		if right, ok := misspelt[country]; ok {
			s.im.notes.add(mended, fmt.Sprintf("%q to %q", country, right))
			country = right
		}
		a := model.NewPart(model.EntityOf("organization").Field("address"))
		a.Values["country"], a.Values["primary"], a.Values["label"] = country, true, "work"
		ed.Set["address"] = []*model.Record{a}
	}
	return []item{s.item(f, row, ed, err)}
}

// parentsFirst orders organizations so that a parent comes before those that
// are part of it, wherever it stands in the file.
func parentsFirst(items iter.Seq[item]) iter.Seq[item] {
	return func(yield func(item) bool) {
		var all []item
		at := map[string]int{}
		for it := range items {
			if name, _ := it.edit.Set["name"].(string); name != "" {
				at[model.Fold(name)] = len(all)
			}
			all = append(all, it)
		}
		done := make([]int, len(all)) // 1 while its parents are looked at, 2 afterwards
		var give func(i int) bool
		give = func(i int) bool {
			if done[i] != 0 {
				return true
			}
			done[i] = 1
			parent, _ := all[i].edit.Set["parent"].(model.Ref)
			if j, ok := at[model.Fold(parent.Name)]; ok && parent.Name != "" && !give(j) {
				return false
			}
			done[i] = 2
			return yield(all[i])
		}
		for i := range all {
			if !give(i) {
				return
			}
		}
	}
}

func (s *sales) product(f *file, row csvRow) []item {
	ed := model.Edit{Noun: "product", Set: map[string]any{}}
	err := s.values(&ed, map[string]string{"name": row.Cells[0], "category": row.Cells[1], "price": row.Cells[2]})
	s.products[letters(row.Cells[0])] = model.Record{Noun: "product", Values: ed.Set}
	return []item{s.item(f, row, ed, err)}
}

// letters leaves the letters and digits of a name, folded.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, model.Fold(name))
}

func (s *sales) agent(f *file, row csvRow) []item {
	ed := model.Edit{Noun: "user", Set: map[string]any{}}
	err := s.values(&ed, map[string]string{"name": row.Cells[0], "manager": row.Cells[1], "team": row.Cells[2]})
	ed.Set["login"] = loginOf(row.Cells[0])
	return []item{s.item(f, row, ed, err)}
}

// loginOf derives a login from a person's name: moses.frase.
func loginOf(name string) string {
	if words := model.Words(name); len(words) > 0 {
		return strings.Join(words, ".")
	}
	return name
}

func (s *sales) deal(f *file, row csvRow) []item {
	c := row.Cells
	ed := model.Edit{Noun: "deal", Set: map[string]any{}}
	product := strings.TrimSpace(unguard(c[2]))
	price, known := s.products[letters(product)]
	if name, _ := price.Values["name"].(string); known && name != product {
		s.im.notes.add(mended, fmt.Sprintf("product %q to %q", product, name))
		product = name
	}
	account := strings.TrimSpace(unguard(c[3]))
	name := product
	if account != "" {
		name += " – " + account
	} else {
		s.im.notes.add(linkless, "an organization: a deal that names none")
	}
	err := s.values(&ed, map[string]string{"external_id": c[0], "owner": c[1], "organization": account, "stage": c[4], "opened_on": c[5], "close_date": c[6], "amount": c[7]})
	ed.Set["name"] = name
	if strings.EqualFold(strings.TrimSpace(c[4]), "lost") {
		ed.Set["lost_reason"] = "not given"
	}
	if product != "" {
		line := model.NewPart(model.EntityOf("deal").Field("lines"))
		line.Values["product"] = model.Ref{Noun: "product", Name: product}
		line.Values["quantity"] = "1"
		if m, ok := price.Money("price"); ok {
			line.Values["price"] = m
		}
		ed.Set["lines"] = []*model.Record{line}
	}
	return []item{s.item(f, row, ed, err)}
}

// salesStages are the chances of stages that the dataset has and a pipeline
// may lack.
var salesStages = map[string]int64{"prospecting": 10, "engaging": 30}
