package fts

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"
)

// A run is the index of documents that are held in memory: for every term the
// rows that have it. A term is a word or the beginning of words, led by the
// byte of the index that it belongs to. A word's entry knows those of its
// beginnings, so that the words of a document are looked up once each.
type run struct {
	prefixes []int
	seed     maphash.Seed
	entries  [][]entry
	count    int
	table    []slot // a hash table with open addresses; its length is a power of two
	keys     arena
	rows     arena
	kids     []uint32
	sizes    []byte // of every document: the distance of its row, its words
	lastRow  int64
}

// entry is a term with its rows. The first and the last row are here, the
// distances between rows in a chain of blocks.
type entry struct {
	first, last int64
	head        uint32 // first block; none if end is 0
	at, end     uint32 // where the next byte goes, and where the room for it ends
	key         uint32 // where the term without its leading byte lies
	kid         uint32 // a word's beginnings: kids[kid:kid+kids]
	size        uint16 // of the term without its leading byte
	index       byte   // the leading byte
	kids        byte
}

// slot holds the upper half of a term's hash and its entry's number plus one.
type slot struct{ hash, entry uint32 }

const (
	entryChunk = 1 << 10
	entrySize  = 40
	slotSize   = 8
	firstTable = 1 << 10
)

func newRun(prefixes []int) run {
	return run{prefixes: prefixes, seed: maphash.MakeSeed(), table: make([]slot, firstTable)}
}

// reset empties the run and keeps its memory.
func (r *run) reset() {
	r.count = 0
	clear(r.table)
	r.keys.used, r.rows.used = 0, 0
	r.kids, r.sizes, r.lastRow = r.kids[:0], r.sizes[:0], 0
}

// used returns about how many bytes the run takes.
func (r *run) used() int {
	return r.count*entrySize + len(r.table)*slotSize + int(r.keys.used) + int(r.rows.used) + len(r.kids)*4 + len(r.sizes)
}

func (r *run) entry(i uint32) *entry { return &r.entries[i/entryChunk][i%entryChunk] }

func (r *run) key(e *entry) []byte { return r.keys.bytes(e.key, int(e.size)) }

// add notes that a row has a word.
func (r *run) add(word []byte, row int64) {
	id, fresh := r.lookUp(mainIndex, word, 0, row)
	e := r.entry(id)
	if !fresh {
		if e.last == row {
			return
		}
		r.post(e, row)
		for _, k := range r.kids[e.kid : e.kid+uint32(e.kids)] {
			if kid := r.entry(k); kid.last != row {
				r.post(kid, row)
			}
		}
		return
	}
	from := len(r.kids)
	for i, characters := range r.prefixes {
		b := begin(word, characters)
		if len(b) == 0 {
			continue
		}
		// The bytes of a beginning lie where those of the word do.
		k, fresh := r.lookUp(mainIndex+1+byte(i), b, e.key+1, row)
		if kid := r.entry(k); !fresh && kid.last != row {
			r.post(kid, row)
		}
		r.kids = append(r.kids, k)
	}
	e.kid, e.kids = uint32(from), byte(len(r.kids)-from)
}

// lookUp finds a term or makes it with its first row. at is where its bytes
// lie already, plus one; 0 if nowhere.
func (r *run) lookUp(index byte, term []byte, at uint32, row int64) (id uint32, fresh bool) {
	h := (maphash.Bytes(r.seed, term) ^ uint64(index)) * 0x9e3779b97f4a7c15
	tag, mask := uint32(h>>32), uint32(len(r.table)-1)
	i := tag & mask
	for ; r.table[i].entry != 0; i = (i + 1) & mask {
		if r.table[i].hash != tag {
			continue
		}
		id := r.table[i].entry - 1
		if e := r.entry(id); e.index == index && int(e.size) == len(term) && bytes.Equal(r.key(e), term) {
			return id, false
		}
	}
	id = uint32(r.count)
	r.count++
	if int(id)/entryChunk == len(r.entries) {
		r.entries = append(r.entries, make([]entry, entryChunk))
	}
	if at == 0 {
		at = r.keys.alloc(len(term)) + 1
		copy(r.keys.bytes(at-1, len(term)), term)
	}
	*r.entry(id) = entry{first: row, last: row, key: at - 1, size: uint16(len(term)), index: index}
	r.table[i] = slot{tag, id + 1}
	if r.count*4 > len(r.table)*3 {
		r.grow()
	}
	return id, true
}

// grow doubles the hash table.
func (r *run) grow() {
	old := r.table
	r.table = make([]slot, 2*len(old))
	mask := uint32(len(r.table) - 1)
	for _, s := range old {
		if s.entry == 0 {
			continue
		}
		i := s.hash & mask
		for r.table[i].entry != 0 {
			i = (i + 1) & mask
		}
		r.table[i] = s
	}
}

// post adds a row to a term.
func (r *run) post(e *entry, row int64) {
	d := uint64(row) - uint64(e.last)
	e.last = row
	if d < 0x80 {
		r.put(e, byte(d))
		return
	}
	var buf [9]byte
	for _, c := range appendVarint(buf[:0], d) {
		r.put(e, c)
	}
}

func (r *run) put(e *entry, c byte) {
	if e.at == e.end {
		r.extend(e)
	}
	r.rows.chunks[e.at/chunkSize][e.at%chunkSize] = c
	e.at++
}

// Blocks hold 8 bytes, then 16 and so on. The last four are where the next
// block lies; before there is one, the first of them is the block's class.
const (
	firstBlock = 8
	lastClass  = 6
	pointer    = 4
)

// extend gives a chain one more block.
func (r *run) extend(e *entry) {
	class := 0
	var link []byte
	if e.end != 0 {
		link = r.rows.bytes(e.end, pointer)
		class = min(int(link[0])+1, lastClass)
	}
	at := r.rows.alloc(firstBlock << class)
	if link == nil {
		e.head = at
	} else {
		binary.LittleEndian.PutUint32(link, at)
	}
	e.at, e.end = at, at+firstBlock<<class-pointer
	r.rows.bytes(e.end, pointer)[0] = byte(class)
}

// distances gives the bytes of an entry's distances, piece by piece.
func (r *run) distances(e *entry, each func([]byte)) {
	if e.end == 0 {
		return
	}
	at := e.head
	for class := 0; ; class = min(class+1, lastClass) {
		end := at + firstBlock<<class - pointer
		if end == e.end {
			each(r.rows.bytes(at, int(e.at-at)))
			return
		}
		each(r.rows.bytes(at, int(end-at)))
		at = binary.LittleEndian.Uint32(r.rows.bytes(end, pointer))
	}
}

// size notes how many words a document has.
func (r *run) size(row int64, words int) {
	r.sizes = appendVarint(r.sizes, uint64(row)-uint64(r.lastRow))
	r.sizes = appendVarint(r.sizes, uint64(words))
	r.lastRow = row
}

// sorted returns the numbers of the entries in the order of their terms.
func (r *run) sorted() []uint32 {
	type ranked struct {
		lead uint64 // the first bytes of the term
		id   uint32
	}
	all := make([]ranked, r.count)
	for i := range all {
		e := r.entry(uint32(i))
		var lead [8]byte
		lead[0] = e.index
		copy(lead[1:], r.key(e))
		all[i] = ranked{binary.BigEndian.Uint64(lead[:]), uint32(i)}
	}
	slices.SortFunc(all, func(a, b ranked) int {
		if a.lead != b.lead {
			return cmp.Compare(a.lead, b.lead)
		}
		return bytes.Compare(r.key(r.entry(a.id)), r.key(r.entry(b.id)))
	})
	ids := make([]uint32, len(all))
	for i, a := range all {
		ids[i] = a.id
	}
	return ids
}

// arena is memory that is given out in pieces and taken back as a whole.
type arena struct {
	chunks [][]byte
	used   uint32
}

const chunkSize = 1 << 16

// alloc returns where n bytes lie, at most chunkSize.
func (a *arena) alloc(n int) uint32 {
	if int(a.used%chunkSize)+n > chunkSize {
		a.used = (a.used/chunkSize + 1) * chunkSize
	}
	at := a.used
	if int((at+uint32(n)-1)/chunkSize) >= len(a.chunks) {
		a.chunks = append(a.chunks, make([]byte, chunkSize))
	}
	a.used += uint32(n)
	return at
}

func (a *arena) bytes(at uint32, n int) []byte {
	from := at % chunkSize
	return a.chunks[at/chunkSize][from : from+uint32(n)]
}
