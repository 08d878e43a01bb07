//! The built-in methods.

/// Declares the methods once: variant, the name in the language, the receiver.
macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// A built-in method of a value. One name may serve several receivers: the receiver's value decides.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Method { $($(#[$doc])* $variant,)* }

        impl Method {
            /// Every method.
            pub const ALL: &'static [Method] = &[$(Method::$variant,)*];

            /// Its name in the language.
            pub fn name(self) -> &'static str {
                match self { $(Method::$variant => $name,)* }
            }

            /// The method of this name.
            pub fn named(name: &str) -> Option<Method> {
                match name { $($name => Some(Method::$variant),)* _ => None }
            }
        }
    };
}

methods! {
    /// Elements, entries or characters.
    Len = "len";
    IsEmpty = "is_empty";
    /// `T?`.
    First = "first";
    /// `T?`.
    Last = "last";
    /// An element, a key, or a part of a text.
    Contains = "contains";
    Map = "map";
    Filter = "filter";
    Any = "any";
    All = "all";
    /// `T?`.
    Find = "find";
    /// Ascending by what the lambda gives; stable.
    SortBy = "sort_by";
    /// Of Int, Float or Duration. Its argument (with a lambda, the start) is the zero of the type: what an empty sum is.
    Sum = "sum";
    /// `T?`.
    Min = "min";
    /// `T?`.
    Max = "max";
    Take = "take";
    Skip = "skip";
    Reverse = "reverse";
    /// The first of equal ones stays.
    Distinct = "distinct";
    /// Of Text, with a separator.
    Join = "join";
    /// `fold(start, (acc, x) => …)`.
    Fold = "fold";
    Union = "union";
    Intersect = "intersect";
    Minus = "minus";
    Keys = "keys";
    Values = "values";
    /// `V?`.
    Get = "get";
    Upper = "upper";
    Lower = "lower";
    Trim = "trim";
    Split = "split";
    Lines = "lines";
    /// `slice(from, to)` in characters; bounds are clamped.
    Slice = "slice";
    StartsWith = "starts_with";
    EndsWith = "ends_with";
    /// Every occurrence.
    Replace = "replace";
    /// `Int?`.
    ToInt = "to_int";
    /// Of Int: Float. Of Text: `Float?`.
    ToFloat = "to_float";
    /// To the nearest Int, halves away from zero.
    Round = "round";
}
