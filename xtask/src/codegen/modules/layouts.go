// Command layouts prints the layout of struct types, computed from source by the type checker.
//
//	go list -deps -json PACKAGE | layouts NAME...   structs of PACKAGE, the last in the list
//	go list -deps -json std     | layouts -sizes    sizes of all types of the standard library
//
// Nothing is compiled, so that a version takes a second. A line is `struct NAME SIZE FIELD:OFFSET:TYPE...`,
// or `size TYPE SIZE`; TYPE is the name of a struct type held by value, empty for other types. A struct with a
// field of a type that could not be checked is reported as `bad NAME REASON`.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	ImportMap  map[string]string
	Standard   bool
}

// checked holds the packages in the order of the list: dependencies first.
type checked struct {
	packages map[string]*types.Package
	standard map[string]bool
	last     *types.Package
}

// mapped resolves the imports of one package, vendored ones included.
type mapped struct {
	all     map[string]*types.Package
	renamed map[string]string
}

func (m mapped) Import(path string) (*types.Package, error) {
	if path == "unsafe" {
		return types.Unsafe, nil
	}
	if name, ok := m.renamed[path]; ok {
		path = name
	}
	if found := m.all[path]; found != nil {
		return found, nil
	}
	return nil, fmt.Errorf("%s is not in the list", path)
}

var sizes = [2]types.Sizes{types.SizesFor("gc", "amd64"), types.SizesFor("gc", "arm64")}

func main() {
	done, err := check(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if len(os.Args) == 2 && os.Args[1] == "-sizes" {
		done.printSizes()
		return
	}
	printed := map[string]bool{}
	for _, name := range os.Args[1:] {
		if object, ok := done.last.Scope().Lookup(name).(*types.TypeName); ok {
			done.print(object.Type(), printed)
		}
	}
}

func check(list io.Reader) (*checked, error) {
	done := &checked{packages: map[string]*types.Package{}, standard: map[string]bool{}}
	files := token.NewFileSet()
	for decoder := json.NewDecoder(list); ; {
		var next listed
		if err := decoder.Decode(&next); errors.Is(err, io.EOF) {
			return done, nil
		} else if err != nil {
			return nil, err
		}
		if next.ImportPath == "unsafe" {
			continue
		}
		var parsed []*ast.File
		for _, name := range next.GoFiles {
			file, err := parser.ParseFile(files, filepath.Join(next.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			parsed = append(parsed, file)
		}
		config := types.Config{
			IgnoreFuncBodies: true,
			FakeImportC:      true,
			Importer:         mapped{done.packages, next.ImportMap},
			Sizes:            sizes[0],
			// What is wrong shows as an invalid type in the structs that need it.
			Error: func(error) {},
		}
		found, _ := config.Check(next.ImportPath, files, parsed, nil)
		done.packages[next.ImportPath], done.last = found, found
		done.standard[next.ImportPath] = next.Standard
	}
}

// print writes a struct after those it holds by value; those of the standard library are not opened.
func (c *checked) print(typ types.Type, printed map[string]bool) {
	name := types.TypeString(typ, nil)
	body, ok := typ.Underlying().(*types.Struct)
	if !ok || printed[name] {
		return
	}
	printed[name] = true
	if reason := invalid(typ, map[types.Type]bool{}); reason != "" {
		fmt.Println("bad", name, reason)
		return
	}
	var fields []*types.Var
	for i := 0; i < body.NumFields(); i++ {
		fields = append(fields, body.Field(i))
	}
	amd64, arm64 := sizes[0].Offsetsof(fields), sizes[1].Offsetsof(fields)
	line := fmt.Sprintf("struct %s %d", name, sizes[0].Sizeof(typ))
	for i, field := range fields {
		if amd64[i] != arm64[i] {
			fmt.Println("bad", name, "differs between machines")
			return
		}
		held := c.held(field.Type())
		if named, ok := field.Type().(*types.Named); ok && held != "" && !c.isStandard(named) {
			c.print(named, printed)
		}
		if field.Name() != "_" {
			line += fmt.Sprintf(" %s:%d:%s", field.Name(), amd64[i], held)
		}
	}
	for _, name := range c.values(typ, map[string]bool{}) {
		line += " value=" + name
	}
	fmt.Println(line)
}

// held names a struct type; aliases and arrays are no struct types here.
func (c *checked) held(typ types.Type) string {
	named, ok := types.Unalias(typ).(*types.Named)
	if !ok || named.TypeArgs().Len() > 0 {
		return ""
	}
	if _, ok := named.Underlying().(*types.Struct); !ok {
		return ""
	}
	return types.TypeString(named, nil)
}

func (c *checked) isStandard(named *types.Named) bool {
	return named.Obj().Pkg() == nil || c.standard[named.Obj().Pkg().Path()]
}

// values lists the types of the standard library on whose size the layout depends.
func (c *checked) values(typ types.Type, seen map[string]bool) []string {
	var walk func(types.Type)
	walk = func(typ types.Type) {
		typ = types.Unalias(typ)
		if named, ok := typ.(*types.Named); ok && c.isStandard(named) {
			switch named.Underlying().(type) {
			case *types.Struct, *types.Array, *types.Basic:
				seen[strings.ReplaceAll(types.TypeString(named, nil), " ", "")] = true
			}
			return
		}
		switch under := typ.Underlying().(type) {
		case *types.Struct:
			for i := 0; i < under.NumFields(); i++ {
				walk(under.Field(i).Type())
			}
		case *types.Array:
			walk(under.Elem())
		}
	}
	walk(typ)
	var names []string
	for name := range seen {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// invalid says which type inside could not be checked.
func invalid(typ types.Type, seen map[types.Type]bool) string {
	if seen[typ] {
		return ""
	}
	seen[typ] = true
	switch under := typ.Underlying().(type) {
	case *types.Basic:
		if under.Kind() == types.Invalid {
			return "a type could not be checked"
		}
	case *types.Struct:
		for i := 0; i < under.NumFields(); i++ {
			if reason := invalid(under.Field(i).Type(), seen); reason != "" {
				return under.Field(i).Name() + ": " + reason
			}
		}
	case *types.Array:
		return invalid(under.Elem(), seen)
	}
	return ""
}

func (c *checked) printSizes() {
	for path, pkg := range c.packages {
		for _, name := range pkg.Scope().Names() {
			object, ok := pkg.Scope().Lookup(name).(*types.TypeName)
			if !ok || object.IsAlias() || invalid(object.Type(), map[types.Type]bool{}) != "" {
				continue
			}
			if named, ok := object.Type().(*types.Named); !ok || named.TypeParams().Len() > 0 {
				continue
			}
			switch object.Type().Underlying().(type) {
			case *types.Struct, *types.Array, *types.Basic:
				fmt.Printf("size %s.%s %d %d\n", path, name, sizes[0].Sizeof(object.Type()), sizes[0].Alignof(object.Type()))
			}
		}
	}
}
