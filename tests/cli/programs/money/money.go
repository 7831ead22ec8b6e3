// Package money has a type whose name other packages use too.
package money

// Entry is one amount.
type Entry struct {
	Cents int64
}
