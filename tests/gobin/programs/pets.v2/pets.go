// Package pets lies in a folder with a dot in its name and has types that others mention.
package pets

// Cat has methods, an embedded field and a tag.
type Cat struct {
	Name string `json:"name" xml:"n"`
	age  int8
	*Home
}

// Home has padding in the middle and at the end.
type Home struct {
	warm  bool
	rooms int64
	door  byte
}

// Purr makes noise.
func (c *Cat) Purr() string { return "purr" + c.Name }

// Purrer is an interface with an unexported method.
type Purrer interface {
	Purr() string
	private(Cat) error
}

// Litter is generic.
type Litter[K comparable, V any] struct {
	byKey map[K]V
	next  *Litter[K, V]
}

// Alias is the same type as Cat.
type Alias = Cat

// Anonymous returns an unnamed struct with an unexported field of this package.
func Anonymous() any {
	return struct {
		inner Cat
		N     int
	}{}
}

// Nameless returns an unnamed interface type, behind a pointer.
func Nameless() any {
	return (*interface {
		private(Cat) error
		Purr() string
	})(nil)
}
