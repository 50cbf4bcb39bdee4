package keymap

// The actions. Their names are what an override file uses.
const (
	Quit        Action = "quit"
	Back        Action = "back"
	Help        Action = "help"
	SearchAll   Action = "search"
	Commands    Action = "commands"
	GoStart     Action = "go-start"
	GoContacts  Action = "go-contacts"
	GoOrgs      Action = "go-organizations"
	GoDeals     Action = "go-deals"
	GoBoard     Action = "go-board"
	GoTasks     Action = "go-activities"
	GoReports   Action = "go-reports"
	GoSync      Action = "go-sync"
	GoAdmin     Action = "go-admin"
	SyncNow     Action = "sync-now"
	LogCall     Action = "log-call"
	LogNote     Action = "log-note"
	LogTask     Action = "log-task"
	Suspend     Action = "suspend"
	Messages    Action = "messages"
	Up          Action = "up"
	Down        Action = "down"
	Left        Action = "left"
	Right       Action = "right"
	PageUp      Action = "page-up"
	PageDown    Action = "page-down"
	Top         Action = "top"
	Bottom      Action = "bottom"
	Open        Action = "open"
	Edit        Action = "edit"
	Add         Action = "add"
	Delete      Action = "delete"
	Restore     Action = "restore"
	Filter      Action = "filter"
	Sort        Action = "sort"
	Columns     Action = "columns"
	Bin         Action = "bin"
	Select      Action = "select"
	Next        Action = "next"
	Previous    Action = "previous"
	NextField   Action = "next-field"
	PrevField   Action = "previous-field"
	Save        Action = "save"
	Cancel      Action = "cancel"
	AddItem     Action = "add-item"
	DeleteItem  Action = "delete-item"
	MoveLeft    Action = "move-left"
	MoveRight   Action = "move-right"
	Win         Action = "win"
	Lose        Action = "lose"
	Done        Action = "done"
	Pipelines   Action = "next-pipeline"
	TakeMine    Action = "take-mine"
	TakeTheirs  Action = "take-theirs"
	AllMine     Action = "all-mine"
	AllTheirs   Action = "all-theirs"
	Retry       Action = "retry"
	Discard     Action = "discard"
	CopyCell    Action = "copy-cell"
	CopyRow     Action = "copy-row"
	CopyCard    Action = "copy-card"
	Export      Action = "export"
	Refresh     Action = "refresh"
	Group       Action = "group"
	Period      Action = "period"
	Yes         Action = "yes"
	No          Action = "no"
	HistoryView Action = "history"
	Choose      Action = "choose"
	Undo        Action = "undo"
	Redo        Action = "redo"
	KeepBoth    Action = "keep-both"
	Verify      Action = "verify"
	Trial       Action = "trial"
	Prune       Action = "prune"
	TakeBack    Action = "take-back"
	SetUp       Action = "set-up"
	Schedule    Action = "schedule"
	Different   Action = "different"
	AllFields   Action = "all-fields"
)

// moving are the keys that move a cursor, the same in every scope that has
// one.
func moving(s Scope) []Binding {
	return []Binding{
		{s, Up, []string{"up", "k"}, "up", 0},
		{s, Down, []string{"down", "j"}, "down", 0},
		{s, PageUp, []string{"pgup", "ctrl+u"}, "page up", 0},
		{s, PageDown, []string{"pgdown", "ctrl+d"}, "page down", 0},
		{s, Top, []string{"home", "g g"}, "first", 0},
		{s, Bottom, []string{"end", "G"}, "last", 0},
	}
}

// Default returns the bindings that hold unless a person changes them.
func Default() *Map {
	var bs []Binding
	add := func(more ...Binding) { bs = append(bs, more...) }

	add(
		Binding{Global, Help, []string{"?", "f1"}, "help", 1},
		Binding{Global, SearchAll, []string{"ctrl+k"}, "search", 2},
		Binding{Global, Commands, []string{"ctrl+p", ":"}, "commands", 8},
		Binding{Global, LogCall, []string{"a c"}, "log a call", 0},
		Binding{Global, LogNote, []string{"a n"}, "log a note", 0},
		Binding{Global, LogTask, []string{"a t"}, "add a task", 0},
		Binding{Global, GoStart, []string{"1"}, "start", 0},
		Binding{Global, GoContacts, []string{"2"}, "contacts", 0},
		Binding{Global, GoOrgs, []string{"3"}, "organizations", 0},
		Binding{Global, GoDeals, []string{"4"}, "deals", 0},
		Binding{Global, GoBoard, []string{"5"}, "board", 0},
		Binding{Global, GoTasks, []string{"6"}, "activities", 0},
		Binding{Global, GoReports, []string{"7"}, "reports", 0},
		Binding{Global, GoSync, []string{"8"}, "sync", 0},
		Binding{Global, GoAdmin, []string{"9"}, "administration", 0},
		Binding{Global, SyncNow, []string{"ctrl+s"}, "sync now", 9},
		Binding{Global, Messages, []string{"!"}, "messages", 0},
		Binding{Global, Undo, []string{"u"}, "take the last change back", 0},
		Binding{Global, Redo, []string{"ctrl+r"}, "do it again", 0},
		Binding{Global, Suspend, []string{"ctrl+z"}, "suspend", 0},
		Binding{Global, Back, []string{"esc", "backspace"}, "back", 3},
		Binding{Global, Quit, []string{"q"}, "quit", 9},
	)

	add(moving(List)...)
	add(
		Binding{List, Open, []string{"enter"}, "open", 1},
		Binding{List, Filter, []string{"/"}, "filter", 2},
		Binding{List, Add, []string{"n"}, "new", 3},
		Binding{List, Edit, []string{"e", "E"}, "edit", 4},
		Binding{List, Delete, []string{"d"}, "delete", 7},
		Binding{List, Select, []string{"space"}, "select", 8},
		Binding{List, Left, []string{"left", "h"}, "column left", 0},
		Binding{List, Right, []string{"right", "l"}, "column right", 0},
		Binding{List, Sort, []string{"s"}, "sort by column", 5},
		Binding{List, Done, []string{"x"}, "done", 0},
		Binding{List, Bin, []string{"B"}, "bin", 9},
		Binding{List, Restore, []string{"r"}, "restore", 0},
		Binding{List, CopyCell, []string{"y y"}, "copy cell", 0},
		Binding{List, CopyRow, []string{"y r"}, "copy row", 0},
		Binding{List, CopyCard, []string{"y v"}, "copy vCard", 0},
		Binding{List, Export, []string{"X"}, "export", 9},
		Binding{List, Back, []string{"esc"}, "clear the selection, the filter, the bin", 0},
	)

	add(moving(Detail)...)
	add(
		Binding{Detail, Edit, []string{"e", "E"}, "edit", 1},
		Binding{Detail, Next, []string{"right", "l", "]"}, "next record", 4},
		Binding{Detail, Previous, []string{"left", "h", "["}, "previous record", 5},
		Binding{Detail, NextField, []string{"tab"}, "next part", 6},
		Binding{Detail, Open, []string{"enter"}, "open", 3},
		Binding{Detail, Add, []string{"n"}, "new on it", 6},
		Binding{Detail, HistoryView, []string{"H"}, "history", 7},
		Binding{Detail, Delete, []string{"d"}, "delete", 8},
		Binding{Detail, Restore, []string{"r"}, "restore", 0},
		Binding{Detail, Done, []string{"x"}, "done", 8},
		Binding{Detail, Win, []string{"w"}, "won", 0},
		Binding{Detail, Lose, []string{"L"}, "lost", 0},
		Binding{Detail, CopyCell, []string{"y y"}, "copy value", 0},
		Binding{Detail, CopyRow, []string{"y r"}, "copy record", 0},
		Binding{Detail, CopyCard, []string{"y v"}, "copy vCard", 0},
	)

	add(
		Binding{Form, Save, []string{"ctrl+s"}, "save", 1},
		Binding{Form, Cancel, []string{"esc"}, "cancel", 2},
		Binding{Form, NextField, []string{"tab"}, "next field", 3},
		Binding{Form, PrevField, []string{"shift+tab"}, "previous field", 4},
		Binding{Form, Open, []string{"enter"}, "next, or take the proposal", 0},
		Binding{Form, Down, []string{"down"}, "down", 0},
		Binding{Form, Up, []string{"up"}, "up", 0},
		Binding{Form, Choose, []string{"ctrl+space", "ctrl+@"}, "choose", 7},
		Binding{Form, AddItem, []string{"ctrl+n"}, "add an item", 5},
		Binding{Form, DeleteItem, []string{"ctrl+x"}, "remove the item", 6},
	)

	add(
		Binding{Board, Up, []string{"up", "k"}, "up", 0},
		Binding{Board, Down, []string{"down", "j"}, "down", 0},
		Binding{Board, Left, []string{"left", "h"}, "stage left", 0},
		Binding{Board, Right, []string{"right", "l"}, "stage right", 0},
		Binding{Board, MoveLeft, []string{"H", "shift+left"}, "move back", 2},
		Binding{Board, MoveRight, []string{"L", "shift+right"}, "move on", 1},
		Binding{Board, Open, []string{"enter"}, "open", 3},
		Binding{Board, Win, []string{"w"}, "won", 4},
		Binding{Board, Lose, []string{"x"}, "lost", 5},
		Binding{Board, Add, []string{"n"}, "new", 6},
		Binding{Board, Pipelines, []string{"P"}, "next pipeline", 8},
		Binding{Board, Top, []string{"home", "g g"}, "first", 0},
		Binding{Board, Bottom, []string{"end", "G"}, "last", 0},
	)

	add(moving(Start)...)
	add(
		Binding{Start, Open, []string{"enter"}, "open", 1},
		Binding{Start, Done, []string{"x"}, "done", 2},
		Binding{Start, NextField, []string{"tab"}, "next part", 3},
		Binding{Start, PrevField, []string{"shift+tab"}, "previous part", 0},
	)

	add(moving(Report)...)
	add(
		Binding{Report, Next, []string{"right", "l", "tab"}, "next report", 1},
		Binding{Report, Previous, []string{"left", "h", "shift+tab"}, "previous report", 2},
		Binding{Report, Group, []string{"b"}, "group by", 3},
		Binding{Report, Period, []string{"p"}, "period", 4},
		Binding{Report, Open, []string{"enter"}, "its records", 3},
		Binding{Report, Export, []string{"X"}, "export", 5},
		Binding{Report, Refresh, []string{"r"}, "refresh", 0},
	)

	add(moving(Sync)...)
	add(
		Binding{Sync, Open, []string{"enter"}, "open", 1},
		Binding{Sync, NextField, []string{"tab"}, "next part", 2},
		Binding{Sync, Retry, []string{"r"}, "retry", 3},
		Binding{Sync, Discard, []string{"d"}, "discard", 4},
		Binding{Sync, Export, []string{"X"}, "export the refused", 0},
	)

	add(moving(Conflict)...)
	add(
		Binding{Conflict, TakeMine, []string{"m"}, "take mine", 1},
		Binding{Conflict, TakeTheirs, []string{"t"}, "take theirs", 2},
		Binding{Conflict, AllMine, []string{"M"}, "all mine", 3},
		Binding{Conflict, AllTheirs, []string{"T"}, "all theirs", 4},
		Binding{Conflict, Edit, []string{"e"}, "type another", 5},
		Binding{Conflict, Open, []string{"enter"}, "open record", 6},
	)

	add(moving(Duplicate)...)
	add(
		Binding{Duplicate, TakeMine, []string{"m"}, "merge into the left one", 1},
		Binding{Duplicate, TakeTheirs, []string{"t"}, "merge into the right one", 2},
		Binding{Duplicate, KeepBoth, []string{"b"}, "they are two", 3},
		Binding{Duplicate, Left, []string{"left", "h"}, "left", 0},
		Binding{Duplicate, Right, []string{"right", "l"}, "right", 0},
		Binding{Duplicate, Open, []string{"enter"}, "open record", 4},
	)

	add(moving(Admin)...)
	add(
		Binding{Admin, Open, []string{"enter"}, "choose", 1},
	)

	add(moving(Backups)...)
	add(
		Binding{Backups, Open, []string{"enter"}, "look into it", 1},
		Binding{Backups, Add, []string{"n"}, "new backup", 2},
		Binding{Backups, Verify, []string{"v"}, "verify", 3},
		Binding{Backups, Restore, []string{"r"}, "restore all", 4},
		Binding{Backups, TakeBack, []string{"U"}, "take the restore back", 5},
		Binding{Backups, SetUp, []string{"s"}, "place and keys", 6},
		Binding{Backups, Schedule, []string{"w"}, "when they are made", 7},
		Binding{Backups, Trial, []string{"t"}, "try to restore it", 7},
		Binding{Backups, Prune, []string{"p"}, "let go of old ones", 8},
		Binding{Backups, Refresh, []string{"f"}, "refresh the report tables", 9},
	)

	add(moving(Archive)...)
	add(
		Binding{Archive, Open, []string{"enter"}, "compare with today", 2},
		Binding{Archive, Filter, []string{"/"}, "search", 4},
		Binding{Archive, NextField, []string{"tab"}, "next kind", 6},
		Binding{Archive, PrevField, []string{"shift+tab"}, "previous kind", 0},
		Binding{Archive, Different, []string{"m"}, "only what is missing or changed", 5},
		Binding{Archive, Restore, []string{"r"}, "restore", 3},
		Binding{Archive, Yes, []string{"y"}, "yes, restore it", 1},
	)

	add(moving(Compare)...)
	add(
		Binding{Compare, Restore, []string{"r"}, "restore", 1},
		Binding{Compare, Yes, []string{"y"}, "yes, restore it", 1},
		Binding{Compare, AllFields, []string{"m"}, "all fields, or only differences", 3},
		Binding{Compare, Open, []string{"enter"}, "open today's record", 2},
	)

	add(moving(Welcome)...)
	add(
		Binding{Welcome, Open, []string{"enter"}, "choose", 1},
	)

	add(
		Binding{Connect, Save, []string{"enter"}, "next, then connect", 1},
		Binding{Connect, Cancel, []string{"esc"}, "back", 2},
		Binding{Connect, NextField, []string{"tab"}, "next field", 3},
		Binding{Connect, PrevField, []string{"shift+tab"}, "previous field", 0},
		Binding{Connect, Up, []string{"up"}, "up", 0},
		Binding{Connect, Down, []string{"down"}, "down", 0},
	)

	add(
		Binding{Search, Up, []string{"up", "ctrl+p"}, "up", 0},
		Binding{Search, Down, []string{"down", "ctrl+n"}, "down", 0},
		Binding{Search, PageUp, []string{"pgup"}, "page up", 0},
		Binding{Search, PageDown, []string{"pgdown"}, "page down", 0},
		Binding{Search, Open, []string{"enter"}, "open", 1},
		Binding{Search, Cancel, []string{"esc", "ctrl+k"}, "close", 2},
	)

	add(
		Binding{Dialog, Up, []string{"up"}, "up", 0},
		Binding{Dialog, Down, []string{"down"}, "down", 0},
		Binding{Dialog, NextField, []string{"tab", "right"}, "next", 0},
		Binding{Dialog, PrevField, []string{"shift+tab", "left"}, "previous", 0},
		Binding{Dialog, PageUp, []string{"pgup"}, "page up", 0},
		Binding{Dialog, PageDown, []string{"pgdown"}, "page down", 0},
		Binding{Dialog, Yes, []string{"enter"}, "accept", 1},
		Binding{Dialog, No, []string{"esc"}, "cancel", 2},
		Binding{Dialog, Save, []string{"ctrl+s"}, "save", 3},
	)

	add(
		Binding{Choice, Up, []string{"k"}, "up", 0},
		Binding{Choice, Down, []string{"j"}, "down", 0},
		Binding{Choice, Top, []string{"home", "g"}, "first", 0},
		Binding{Choice, Bottom, []string{"end", "G"}, "last", 0},
	)

	add(
		Binding{Text, Save, []string{"enter"}, "apply", 1},
		Binding{Text, Cancel, []string{"esc"}, "clear", 2},
		Binding{Text, Up, []string{"up"}, "up", 0},
		Binding{Text, Down, []string{"down"}, "down", 0},
	)
	return New(bs)
}
